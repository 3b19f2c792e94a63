// SPDX-License-Identifier: Apache-2.0
// Where a rank can be reached, and how one is found for it.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace lvx {

// An IP address and a port. Plain memory, alike on all machines: it travels as it is.
struct TcpAddress {
  enum class Family : std::uint8_t { kNone = 0, kV4 = 4, kV6 = 6 };

  Family family = Family::kNone;
  std::uint8_t reserved = 0;
  std::uint16_t port = 0;  // in the byte order of the host
  std::array<std::byte, 16> ip{};

  // None if it is neither of IPv4 nor of IPv6.
  static TcpAddress of(const sockaddr* address);
  bool none() const { return family == Family::kNone; }
  bool is_loopback() const;
  bool is_link_local() const;  // of IPv6: it means nothing without an interface of the machine it is used on
  bool is_of_one_machine() const;  // neither "any" nor a multicast or broadcast address
  std::string text() const;        // without the port

  // For the calls of the system; returns its length.
  socklen_t write(sockaddr_storage& storage) const;
};

static_assert(sizeof(TcpAddress) == 20);

// An address of this machine by the name or number host, which a listener can be bound to; IPv4 first where there are
// several. A number of IPv6 may have brackets. An empty host stands for the machine's own name or, if that stands for
// nothing that others can use, for an interface; the loopback device comes last. The port is 0. Throws
// Error(LVX_INVALID_ARGUMENT) that names host and what was expected.
TcpAddress resolve_own(const std::string& host);

// Finds all that a name stands for; error tells why there is nothing.
using NameLookup = std::function<std::vector<TcpAddress>(const std::string& name, std::string& error)>;
// Likewise, by another lookup than the system's.
TcpAddress resolve_own(const std::string& host, const NameLookup& look_up);

}  // namespace lvx
