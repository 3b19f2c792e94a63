// SPDX-License-Identifier: Apache-2.0
#include "group/tcp/socket.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace lvx {
namespace {

using std::chrono::milliseconds;

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

Socket open_socket(const TcpAddress& address) {
  const int family = address.family == TcpAddress::Family::kV4 ? AF_INET : AF_INET6;
  Socket socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.none()) throw_errno("socket");
  return socket;
}

void set(int descriptor, int level, int option, int value) {
  setsockopt(descriptor, level, option, &value, sizeof(value));
}

// Sends messages without delay (TCP_NODELAY). Keepalive detects a machine that has lost power or its network within two
// minutes, even if no rank waits for it.
void tune(int descriptor) {
  set(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 6);
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

std::ptrdiff_t outcome_of_sending(ssize_t sent) { return sent >= 0 ? sent : would_block(errno) ? 0 : -1; }

std::ptrdiff_t outcome_of_receiving(ssize_t received) {
  if (received > 0) return received;
  return received < 0 && would_block(errno) ? 0 : -1;
}

msghdr message_of(std::span<iovec> pieces) {
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  return message;
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  close();
  descriptor_ = std::exchange(other.descriptor_, -1);
  return *this;
}

void Socket::close() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

Socket Socket::listening(const TcpAddress& address, int backlog) {
  Socket socket = open_socket(address);
  sockaddr_storage storage{};
  const socklen_t length = address.write(storage);
  if (bind(socket.descriptor_, reinterpret_cast<const sockaddr*>(&storage), length) != 0) throw_errno("bind");
  if (listen(socket.descriptor_, backlog) != 0) throw_errno("listen");
  return socket;
}

Socket Socket::connecting(const TcpAddress& address) {
  Socket socket = open_socket(address);
  tune(socket.descriptor_);
  sockaddr_storage storage{};
  const socklen_t length = address.write(storage);
  if (connect(socket.descriptor_, reinterpret_cast<const sockaddr*>(&storage), length) != 0 &&
      errno != EINPROGRESS && errno != EINTR) {
    throw_errno("connect");
  }
  return socket;
}

Socket Socket::accept(TcpAddress& from) const {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  Socket accepted(
      accept4(descriptor_, reinterpret_cast<sockaddr*>(&storage), &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (accepted.none()) {
    // Other errors concern a connection that has ended already.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) throw_errno("accept");
    return accepted;
  }
  from = TcpAddress::of(reinterpret_cast<const sockaddr*>(&storage));
  tune(accepted.descriptor_);
  return accepted;
}

TcpAddress Socket::address() const {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getsockname(descriptor_, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    throw_errno("getsockname");
  }
  return TcpAddress::of(reinterpret_cast<const sockaddr*>(&storage));
}

int Socket::error() const {
  int failure = 0;
  socklen_t length = sizeof(failure);
  getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &failure, &length);
  return failure;
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
  return outcome_of_sending(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

std::ptrdiff_t Socket::receive_some(std::span<std::byte> bytes) const {
  return outcome_of_receiving(::recv(descriptor_, bytes.data(), bytes.size(), 0));
}

std::ptrdiff_t Socket::send_some(std::span<iovec> pieces) const {
  const msghdr message = message_of(pieces);
  return outcome_of_sending(sendmsg(descriptor_, &message, MSG_NOSIGNAL));
}

std::ptrdiff_t Socket::receive_some(std::span<iovec> pieces) const {
  msghdr message = message_of(pieces);
  return outcome_of_receiving(recvmsg(descriptor_, &message, 0));
}

std::size_t Socket::on_the_way() const {
  int bytes = 0;
  return ioctl(descriptor_, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
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
