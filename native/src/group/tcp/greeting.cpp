// SPDX-License-Identifier: Apache-2.0
#include "group/tcp/greeting.h"

#include <poll.h>

#include <cerrno>
#include <system_error>

namespace lvx {

short Greeting::events() const { return static_cast<short>(unsent_.empty() ? POLLIN : POLLIN | POLLOUT); }

bool Greeting::broken() {
  trouble_ = std::generic_category().message(errno);
  return false;
}

bool Greeting::advance() {
  for (;;) {
    while (!unsent_.empty()) {
      const std::ptrdiff_t sent = socket_.send_some(std::span<const std::byte>(unsent_));
      if (sent < 0) return broken();
      if (sent == 0) return true;
      unsent_.erase(unsent_.begin(), unsent_.begin() + sent);
    }
    const std::size_t expected = handshake_.expected();
    if (expected == 0) return true;
    const std::ptrdiff_t received =
        socket_.receive_some(std::span(incoming_).first(expected).subspan(received_));
    if (received < 0) return broken();
    if (received == 0) return true;
    received_ += static_cast<std::size_t>(received);
    if (received_ < expected) continue;
    received_ = 0;
    handshake_.take(std::span(incoming_).first(expected));
    spoken_ = handshake_.state() != Handshake::State::kForeign;
    unsent_ = handshake_.outgoing();
  }
}

}  // namespace lvx
