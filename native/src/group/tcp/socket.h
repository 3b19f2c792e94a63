// SPDX-License-Identifier: Apache-2.0
// A TCP socket, owned. None of its calls waits, but the two that are told how long, and none raises SIGPIPE.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <utility>

#include "group/tcp/address.h"
#include "group/transport.h"

namespace lvx {

class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Both throw std::system_error. Connecting has ended when the socket can be sent to; error() tells how.
  static Socket listening(const TcpAddress& address, int backlog);
  static Socket connecting(const TcpAddress& address);
  // None if nobody is there now. Throws std::system_error where the process may open no more.
  Socket accept(TcpAddress& from) const;

  bool none() const { return descriptor_ < 0; }
  int descriptor() const { return descriptor_; }
  TcpAddress address() const;
  // The system's number for what has gone wrong, 0 for nothing.
  int error() const;
  void close() noexcept;

  // As much as goes at once: 0 for nothing now, -1 for a broken or ended connection.
  std::ptrdiff_t send_some(std::span<const std::byte> bytes) const;
  std::ptrdiff_t receive_some(std::span<std::byte> bytes) const;
  // Likewise, of several pieces one after the other.
  std::ptrdiff_t send_some(std::span<iovec> pieces) const;
  std::ptrdiff_t receive_some(std::span<iovec> pieces) const;
  // Bytes that were sent and have not arrived.
  std::size_t on_the_way() const;

  // All of it, or false: the connection broke or the time has come.
  bool send_all(std::span<const std::byte> bytes, Clock::time_point until) const;
  bool receive_all(std::span<std::byte> bytes, Clock::time_point until) const;

 private:
  bool await(short events, Clock::time_point until) const;

  int descriptor_ = -1;
};

}  // namespace lvx
