// SPDX-License-Identifier: Apache-2.0
// One group of sends and receives that are executed together. Stricter than NCCL: a send completes only when the receiver has
// received the message, so that code that relies on buffering fails.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "standin/connections.h"

namespace lvx::test {

struct Operation {
  bool sends;
  int peer;
  std::byte* data;
  std::size_t bytes;
  const std::byte* own = nullptr;  // all-gather: copied to data, without a transfer
};

enum class Outcome { kDone, kAborted, kPeerLost, kMismatch };

class Exchange {
 public:
  Exchange(Connections& connections, const std::vector<Operation>& operations) : connections_(connections) {
    for (const Operation& operation : operations) {
      if (operation.own != nullptr) {
        std::memcpy(operation.data, operation.own, operation.bytes);
        continue;
      }
      lanes_[{operation.peer, operation.sends}].push_back({operation, Frame{operation.bytes}, 0, 0});
    }
  }

  Outcome run(const std::atomic<bool>& abort) {
    for (;;) {
      if (abort) return Outcome::kAborted;
      std::vector<pollfd> waits;
      for (auto& [key, lane] : lanes_) {
        while (!lane.empty()) {
          const Step step = advance(lane.front());
          if (step == Step::kLost) return abort ? Outcome::kAborted : Outcome::kPeerLost;
          if (step == Step::kMismatch) return Outcome::kMismatch;
          if (step == Step::kDone) {
            lane.pop_front();
            continue;
          }
          const short events = step == Step::kReads ? POLLIN : POLLOUT;
          waits.push_back({key.second ? connections_.out(key.first) : connections_.in(key.first), events, 0});
          break;
        }
      }
      if (waits.empty()) return Outcome::kDone;
      poll(waits.data(), waits.size(), 5);
    }
  }

 private:
  struct Frame {
    std::uint64_t bytes = 0;
  };
  struct Progress {
    Operation operation;
    Frame frame;
    std::size_t framed = 0;  // bytes of the frame that were moved
    std::size_t moved = 0;   // bytes of the data that were moved
  };
  enum class Step { kDone, kReads, kWrites, kLost, kMismatch };

  // Moves as much of one part as possible. The part is done when all of it has moved.
  static Step move(int descriptor, bool sends, std::byte* data, std::size_t bytes, std::size_t& moved) {
    while (moved < bytes) {
      const ssize_t count = sends
                                ? ::send(descriptor, data + moved, bytes - moved, MSG_NOSIGNAL | MSG_DONTWAIT)
                                : ::recv(descriptor, data + moved, bytes - moved, MSG_DONTWAIT);
      if (count > 0) {
        moved += static_cast<std::size_t>(count);
      } else if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return sends ? Step::kWrites : Step::kReads;
      } else {
        return Step::kLost;
      }
    }
    return Step::kDone;
  }

  Step advance(Progress& progress) const {
    const Operation& operation = progress.operation;
    const int descriptor =
        operation.sends ? connections_.out(operation.peer) : connections_.in(operation.peer);
    auto* frame = reinterpret_cast<std::byte*>(&progress.frame);
    Step step = move(descriptor, operation.sends, frame, sizeof(Frame), progress.framed);
    if (step != Step::kDone) return step;
    if (progress.frame.bytes != operation.bytes) return Step::kMismatch;
    step = move(descriptor, operation.sends, operation.data, operation.bytes, progress.moved);
    if (step != Step::kDone) return step;
    std::byte taken{1};
    std::size_t answered = 0;
    return move(descriptor, !operation.sends, &taken, 1, answered);
  }

  Connections& connections_;
  std::map<std::pair<int, bool>, std::deque<Progress>> lanes_;  // by peer and direction, in order
};

}  // namespace lvx::test
