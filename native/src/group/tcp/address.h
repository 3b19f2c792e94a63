// SPDX-License-Identifier: Apache-2.0
// Addresses of ranks, and the lookup of an address for this rank.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace lvx {

// An IP address and a port. Trivially copyable, with the same layout on all machines, because it is sent as bytes.
struct TcpAddress {
  enum class Family : std::uint8_t { kNone = 0, kV4 = 4, kV6 = 6 };

  Family family = Family::kNone;
  std::uint8_t reserved = 0;
  std::uint16_t port = 0;  // in host byte order
  std::array<std::byte, 16> ip{};

  // none() if the address is neither IPv4 nor IPv6.
  static TcpAddress of(const sockaddr* address);
  bool none() const { return family == Family::kNone; }
  bool is_loopback() const;
  bool is_link_local() const;      // IPv6: valid only together with an interface of the local machine
  bool is_of_one_machine() const;  // neither "any" nor a multicast or broadcast address
  std::string text() const;        // without the port

  // Converts to a socket address for system calls; returns its length.
  socklen_t write(sockaddr_storage& storage) const;
};

static_assert(sizeof(TcpAddress) == 20);

// Resolves host, a name or IP address, to an address of this machine to which a listener can be bound, with port 0. If there
// are several, prefers IPv4. An IPv6 address may have brackets. An empty host stands for the machine's own name or, if other
// machines cannot use its addresses, for a network interface; the loopback device is the last resort. Throws
// Error(LVX_INVALID_ARGUMENT) that names host and what was expected.
TcpAddress resolve_own(const std::string& host);

// Returns all addresses of a name. If there are none, error says why.
using NameLookup = std::function<std::vector<TcpAddress>(const std::string& name, std::string& error)>;
// The same, with another lookup than the system's.
TcpAddress resolve_own(const std::string& host, const NameLookup& look_up);

}  // namespace lvx
