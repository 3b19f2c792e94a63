// SPDX-License-Identifier: Apache-2.0
// A TCP socket, owned; none of its calls waits longer than it is told, or raises SIGPIPE.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "group/transport.h"

namespace lvx {

// Where a socket can be reached; plain memory, alike on all machines of one kind.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  // What a name stands for, with any port. Throws std::runtime_error.
  static SocketAddress of_host(const std::string& host);
  bool is_loopback() const;
  std::string text() const;
};

class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Both throw std::system_error; connect also when the time has come.
  static Socket listening(const SocketAddress& address, int backlog);
  static Socket connected(const SocketAddress& address, Clock::time_point until);
  // None if nobody has come when the time has.
  Socket accept(Clock::time_point until) const;

  bool none() const { return descriptor_ < 0; }
  int descriptor() const { return descriptor_; }
  SocketAddress address() const;
  void close() noexcept;

  // All of it, or false: the connection broke or the time has come.
  bool send_all(std::span<const std::byte> bytes, Clock::time_point until) const;
  bool receive_all(std::span<std::byte> bytes, Clock::time_point until) const;
  // As much as goes at once: 0 for nothing now, -1 for a broken or ended connection.
  std::ptrdiff_t send_some(std::span<const std::byte> bytes) const;
  std::ptrdiff_t receive_some(std::span<std::byte> bytes) const;

 private:
  bool await(short events, Clock::time_point until) const;

  int descriptor_ = -1;
};

}  // namespace lvx
