// SPDX-License-Identifier: Apache-2.0
#include "group/tcp/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "group/tcp/socket.h"

namespace lvx {
namespace {

constexpr const char* kExpected =
    "expected a name or an address of this machine by which the others reach it";

[[noreturn]] void refuse(const std::string& host, const std::string& reason) {
  throw ArgumentError(LVX_INVALID_ARGUMENT, "host", "'" + host + "' " + reason + "; " + kExpected);
}

in6_addr v6_of(const TcpAddress& address) {
  in6_addr ip{};
  std::memcpy(&ip, address.ip.data(), sizeof(ip));
  return ip;
}

int first_byte(const TcpAddress& address) { return std::to_integer<int>(address.ip[0]); }

bool is_blank(const std::string& host) {
  return std::all_of(host.begin(), host.end(), [](unsigned char letter) { return letter <= ' '; });
}

// Removes the brackets around an IPv6 address, as in URLs.
std::string without_brackets(const std::string& host) {
  if (!host.starts_with('[') && !host.ends_with(']')) return host;
  if (host.size() < 4 || !host.starts_with('[') || !host.ends_with(']') || host.find(':') == host.npos) {
    refuse(host, "has brackets, which only an address of IPv6 may have on both sides");
  }
  return host.substr(1, host.size() - 2);
}

// All addresses of a name: IPv4 first, otherwise in the order that the system prefers.
std::vector<TcpAddress> ask_system(const std::string& name, std::string& error) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(name.c_str(), nullptr, &wanted, &found);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  std::vector<TcpAddress> addresses;
  if (code != 0) {
    error = code == EAI_SYSTEM ? std::generic_category().message(errno) : gai_strerror(code);
    return addresses;
  }
  for (; found != nullptr; found = found->ai_next) {
    const TcpAddress address = TcpAddress::of(found->ai_addr);
    if (!address.none()) addresses.push_back(address);
  }
  std::stable_sort(addresses.begin(), addresses.end(),
                   [](const TcpAddress& one, const TcpAddress& other) { return one.family < other.family; });
  error = "it stands for no address of IPv4 or IPv6";
  return addresses;
}

// Why nothing can listen at the address, or nullopt.
std::optional<std::string> objection_to(const TcpAddress& address) {
  try {
    Socket::listening(address, 1);
    return std::nullopt;
  } catch (const std::system_error& error) {
    return error.code() == std::errc::address_not_available
               ? "is " + address.text() + ", which is no address of this machine"
               : "is " + address.text() + ", where nothing can listen (" + error.what() + ")";
  }
}

std::string own_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

// The addresses of all interfaces that are up, IPv4 first.
std::vector<TcpAddress> addresses_of_interfaces() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(all, &freeifaddrs);
  std::vector<TcpAddress> addresses;
  for (; all != nullptr; all = all->ifa_next) {
    constexpr unsigned kReady = IFF_UP | IFF_RUNNING;
    if (all->ifa_addr == nullptr || (all->ifa_flags & kReady) != kReady) continue;
    const TcpAddress address = TcpAddress::of(all->ifa_addr);
    if (!address.none()) addresses.push_back(address);
  }
  std::stable_sort(addresses.begin(), addresses.end(),
                   [](const TcpAddress& one, const TcpAddress& other) { return one.family < other.family; });
  return addresses;
}

TcpAddress resolve_unnamed(const NameLookup& look_up) {
  std::string unknown;
  std::vector<TcpAddress> candidates = look_up(own_name(), unknown);
  for (const auto more = addresses_of_interfaces(); const TcpAddress& address : more) {
    candidates.push_back(address);
  }
  // Loopback addresses come last. If the loopback device is down, too, there may be no address, and the error says so.
  for (const bool loopback : {false, true}) {
    for (const TcpAddress& address : candidates) {
      if (address.is_loopback() == loopback && !address.is_link_local() && address.is_of_one_machine() &&
          !objection_to(address)) {
        return address;
      }
    }
  }
  throw ArgumentError(LVX_INVALID_ARGUMENT, "host",
                      "none is given, and this machine's own name '" + own_name() +
                          "' and its network interfaces have no address that others can use; " + kExpected);
}

}  // namespace

TcpAddress TcpAddress::of(const sockaddr* address) {
  TcpAddress read;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof(v4));
    read.family = Family::kV4;
    read.port = ntohs(v4.sin_port);
    std::memcpy(read.ip.data(), &v4.sin_addr, sizeof(v4.sin_addr));
  } else if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof(v6));
    read.family = Family::kV6;
    read.port = ntohs(v6.sin6_port);
    std::memcpy(read.ip.data(), &v6.sin6_addr, sizeof(v6.sin6_addr));
  }
  return read;
}

bool TcpAddress::is_loopback() const {
  if (family == Family::kV4) return first_byte(*this) == IN_LOOPBACKNET;
  const in6_addr v6 = v6_of(*this);
  return IN6_IS_ADDR_LOOPBACK(&v6) != 0;
}

bool TcpAddress::is_link_local() const {
  if (family != Family::kV6) return false;
  const in6_addr v6 = v6_of(*this);
  return IN6_IS_ADDR_LINKLOCAL(&v6) != 0;
}

bool TcpAddress::is_of_one_machine() const {
  if (family == Family::kV4) return first_byte(*this) != 0 && first_byte(*this) < 224;
  const in6_addr v6 = v6_of(*this);
  return IN6_IS_ADDR_UNSPECIFIED(&v6) == 0 && IN6_IS_ADDR_MULTICAST(&v6) == 0;
}

std::string TcpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family == Family::kV4 ? AF_INET : AF_INET6, ip.data(), text.data(), text.size());
  return text.data();
}

socklen_t TcpAddress::write(sockaddr_storage& storage) const {
  storage = {};
  if (family == Family::kV4) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, ip.data(), sizeof(v4.sin_addr));
    std::memcpy(&storage, &v4, sizeof(v4));
    return sizeof(v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_addr = v6_of(*this);
  std::memcpy(&storage, &v6, sizeof(v6));
  return sizeof(v6);
}

TcpAddress resolve_own(const std::string& host) { return resolve_own(host, ask_system); }

TcpAddress resolve_own(const std::string& host, const NameLookup& look_up) {
  if (host.empty()) return resolve_unnamed(look_up);
  if (is_blank(host)) refuse(host, "is blank");
  std::string reason;
  const std::vector<TcpAddress> addresses = look_up(without_brackets(host), reason);
  if (addresses.empty()) refuse(host, "cannot be resolved (" + reason + ")");
  for (const TcpAddress& address : addresses) {
    if (address.is_link_local()) {
      reason = "is " + address.text() + ", a link-local address, which other machines cannot use as it is";
    } else if (!address.is_of_one_machine()) {
      reason = "is " + address.text() + ", which is not the address of one machine";
    } else if (const auto objection = objection_to(address)) {
      reason = *objection;
    } else {
      return address;
    }
  }
  refuse(host, reason);
}

}  // namespace lvx
