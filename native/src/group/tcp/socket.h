// SPDX-License-Identifier: Apache-2.0
// An owned TCP socket. Calls do not block, except the two that take an expiry. No call raises SIGPIPE.
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

  // Both throw std::system_error. The connection attempt has ended when the socket is writable; error() has its result.
  static Socket listening(const TcpAddress& address, int backlog);
  static Socket connecting(const TcpAddress& address);
  // none() if no connection is pending. Throws std::system_error if the process is out of descriptors.
  Socket accept(TcpAddress& from) const;

  bool none() const { return descriptor_ < 0; }
  int descriptor() const { return descriptor_; }
  TcpAddress address() const;
  // The pending error (errno), 0 for none.
  int error() const;
  void close() noexcept;

  // Sends or receives as much as possible without blocking. Returns the number of bytes, 0 if it would block, -1 for a broken or
  // ended connection.
  std::ptrdiff_t send_some(std::span<const std::byte> bytes) const;
  std::ptrdiff_t receive_some(std::span<std::byte> bytes) const;
  // The same for several consecutive pieces.
  std::ptrdiff_t send_some(std::span<iovec> pieces) const;
  std::ptrdiff_t receive_some(std::span<iovec> pieces) const;
  // The number of sent bytes that the peer's system has not acknowledged.
  std::size_t on_the_way() const;

  // Sends or receives all bytes. False if the connection broke or the expiry has passed.
  bool send_all(std::span<const std::byte> bytes, Clock::time_point until) const;
  bool receive_all(std::span<std::byte> bytes, Clock::time_point until) const;

 private:
  bool await(short events, Clock::time_point until) const;

  int descriptor_ = -1;
};

}  // namespace lvx
