// SPDX-License-Identifier: Apache-2.0
// The stand-in's connections: one Unix socket per pair of ranks and direction. Data is sent one way, and one byte is sent back
// for every received message.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

namespace lvx::test {

class Connections {
 public:
  Connections(std::string name, int rank, int size)
      : name_(std::move(name)),
        rank_(rank),
        out_(static_cast<std::size_t>(size), -1),
        in_(static_cast<std::size_t>(size), -1) {}
  ~Connections() { close_all(); }
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  int out(int peer) const { return out_[static_cast<std::size_t>(peer)]; }
  int in(int peer) const { return in_[static_cast<std::size_t>(peer)]; }

  // Makes progress on connecting with all ranks; true when connected.
  bool connect_some() {
    if (listener_ < 0) listen_as(rank_);
    for (int visitor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC); visitor >= 0;
         visitor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) {
      int peer = -1;
      const bool said = ::recv(visitor, &peer, sizeof(peer), MSG_WAITALL) == sizeof(peer);
      if (said && peer >= 0 && peer < size()) {
        in_[static_cast<std::size_t>(peer)] = visitor;
      } else {
        ::close(visitor);
      }
    }
    bool complete = true;
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == rank_) continue;
      if (out(peer) < 0) dial(peer);
      complete &= out(peer) >= 0 && in(peer) >= 0;
    }
    return complete;
  }

  // Shuts the connections down, so that peers see their end. Descriptors stay open.
  void break_all() {
    for (const std::vector<int>* side : {&out_, &in_}) {
      for (const int descriptor : *side) {
        if (descriptor >= 0) shutdown(descriptor, SHUT_RDWR);
      }
    }
  }

 private:
  int size() const { return static_cast<int>(out_.size()); }

  // In the abstract namespace, so that no file remains.
  sockaddr_un address_of(int rank, socklen_t& length) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = name_ + "-" + std::to_string(rank);
    std::memcpy(address.sun_path + 1, path.data(), path.size());
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + path.size());
    return address;
  }
  void listen_as(int rank) {
    socklen_t length = 0;
    const sockaddr_un address = address_of(rank, length);
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bind(listener_, reinterpret_cast<const sockaddr*>(&address), length);
    listen(listener_, size());
  }
  void dial(int peer) {
    socklen_t length = 0;
    const sockaddr_un address = address_of(peer, length);
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
        ::send(descriptor, &rank_, sizeof(rank_), MSG_NOSIGNAL) == sizeof(rank_)) {
      out_[static_cast<std::size_t>(peer)] = descriptor;
    } else {
      ::close(descriptor);
    }
  }
  void close_all() {
    for (const std::vector<int>* side : {&out_, &in_}) {
      for (const int descriptor : *side) {
        if (descriptor >= 0) ::close(descriptor);
      }
    }
    if (listener_ >= 0) ::close(listener_);
  }

  const std::string name_;
  const int rank_;
  int listener_ = -1;
  std::vector<int> out_, in_;
};

}  // namespace lvx::test
