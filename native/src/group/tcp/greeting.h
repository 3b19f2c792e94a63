// SPDX-License-Identifier: Apache-2.0
// A connection during authentication. It takes only a few bytes of memory, whatever the peer sends.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "group/tcp/handshake.h"
#include "group/tcp/socket.h"

namespace lvx {

class Greeting {
 public:
  Greeting(Socket socket, Handshake handshake)
      : socket_(std::move(socket)), handshake_(std::move(handshake)), unsent_(handshake_.outgoing()) {}

  int descriptor() const { return socket_.descriptor(); }
  // The events for poll to wait for.
  short events() const;
  // Makes progress without blocking. False once the connection has broken or ended; trouble() then says why.
  bool advance();
  std::string trouble() const { return trouble_; }

  // Whether nothing more is to be sent or received.
  bool ended() const { return handshake_.state() != Handshake::State::kUnderWay && unsent_.empty(); }
  const Handshake& handshake() const { return handshake_; }
  // Whether the other side has sent a valid message.
  bool spoken() const { return spoken_; }
  Socket take_socket() { return std::move(socket_); }

 private:
  bool broken();

  Socket socket_;
  Handshake handshake_;
  std::vector<std::byte> unsent_;
  std::array<std::byte, Handshake::kMostBytes> incoming_{};
  std::size_t received_ = 0;
  bool spoken_ = false;
  std::string trouble_;
};

}  // namespace lvx
