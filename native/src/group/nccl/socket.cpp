// SPDX-License-Identifier: Apache-2.0
#include "group/nccl/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <system_error>

namespace lvx {
namespace {

using std::chrono::milliseconds;

[[noreturn]] void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

Socket open_socket(const SocketAddress& address) {
  Socket socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.none()) throw_errno("socket");
  return socket;
}

void tune(int descriptor) {
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

}  // namespace

SocketAddress SocketAddress::of_host(const std::string& host) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host.c_str(), nullptr, &wanted, &found);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  if (code != 0) throw std::runtime_error(gai_strerror(code));
  SocketAddress address;
  address.length = found->ai_addrlen;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  return address;
}

bool SocketAddress::is_loopback() const { return text().starts_with("127.") || text() == "::1"; }

std::string SocketAddress::text() const {
  std::array<char, NI_MAXHOST> host{};
  getnameinfo(reinterpret_cast<const sockaddr*>(&storage), length, host.data(), host.size(), nullptr, 0,
              NI_NUMERICHOST);
  return host.data();
}

Socket& Socket::operator=(Socket&& other) noexcept {
  close();
  descriptor_ = std::exchange(other.descriptor_, -1);
  return *this;
}

void Socket::close() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

Socket Socket::listening(const SocketAddress& address, int backlog) {
  Socket socket = open_socket(address);
  if (bind(socket.descriptor_, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) {
    throw_errno("bind");
  }
  if (listen(socket.descriptor_, backlog) != 0) throw_errno("listen");
  return socket;
}

Socket Socket::connected(const SocketAddress& address, Clock::time_point until) {
  Socket socket = open_socket(address);
  tune(socket.descriptor_);
  if (::connect(socket.descriptor_, reinterpret_cast<const sockaddr*>(&address.storage), address.length) ==
      0) {
    return socket;
  }
  if (errno != EINPROGRESS) throw_errno("connect");
  if (!socket.await(POLLOUT, until)) {
    errno = ETIMEDOUT;
    throw_errno("connect");
  }
  int failure = 0;
  socklen_t length = sizeof(failure);
  getsockopt(socket.descriptor_, SOL_SOCKET, SO_ERROR, &failure, &length);
  if (failure != 0) {
    errno = failure;
    throw_errno("connect");
  }
  return socket;
}

Socket Socket::accept(Clock::time_point until) const {
  while (await(POLLIN, until)) {
    Socket accepted(accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!accepted.none()) {
      tune(accepted.descriptor_);
      return accepted;
    }
    // Whoever came may have gone again.
  }
  return Socket();
}

SocketAddress Socket::address() const {
  SocketAddress own;
  own.length = sizeof(own.storage);
  if (getsockname(descriptor_, reinterpret_cast<sockaddr*>(&own.storage), &own.length) != 0) {
    throw_errno("getsockname");
  }
  return own;
}

bool Socket::await(short events, Clock::time_point until) const {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
    pollfd entry{descriptor_, events, 0};
    const int ready = poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000)));
    if (ready > 0) return true;
    if (left <= 0) return false;
  }
}

std::ptrdiff_t Socket::send_some(std::span<const std::byte> bytes) const {
  const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

std::ptrdiff_t Socket::receive_some(std::span<std::byte> bytes) const {
  const ssize_t received = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
  if (received > 0) return received;
  return received < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

bool Socket::send_all(std::span<const std::byte> bytes, Clock::time_point until) const {
  while (!bytes.empty()) {
    const std::ptrdiff_t sent = send_some(bytes);
    if (sent < 0 || (sent == 0 && !await(POLLOUT, until))) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Socket::receive_all(std::span<std::byte> bytes, Clock::time_point until) const {
  while (!bytes.empty()) {
    const std::ptrdiff_t received = receive_some(bytes);
    if (received < 0 || (received == 0 && !await(POLLIN, until))) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(received));
  }
  return true;
}

}  // namespace lvx
