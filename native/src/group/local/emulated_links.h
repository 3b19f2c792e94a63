// SPDX-License-Identifier: Apache-2.0
// When messages would arrive over links slower than memory. Links are full duplex; each end carries messages in the order
// in which both their sides were ready.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "group/group.h"

namespace lvx {

class EmulatedLinks {
 public:
  EmulatedLinks(const GroupOptions& options, int ranks);

  class Message;

  // A message that both ranks are ready for at that time. Not thread-safe, like all of this.
  std::shared_ptr<Message> offer(int from, int to, std::size_t bytes, Clock::time_point ready);
  // When it arrives. From then on that is settled, whatever is offered; ranks whose time is virtual offer messages in any
  // order, so ask late.
  Clock::time_point arrival(Message& message);
  // Both at once.
  Clock::time_point carry(int from, int to, std::size_t bytes, Clock::time_point ready);

 private:
  // One direction of an end. What is ready before others that are settled already fills the idle time between them.
  class Lane {
   public:
    void offer(std::shared_ptr<Message> message);
    // When it has carried the message, and so all that were ready before, which keep it in that member.
    Clock::time_point settle(const Message& message, Clock::time_point Message::*end);

   private:
    Clock::time_point carry(Clock::time_point ready, Clock::duration duration);

    struct Idle {
      Clock::time_point begin, end;
    };
    std::deque<std::shared_ptr<Message>> offered_;  // not settled, the first ready first
    std::deque<Idle> idle_;                         // before free_, in order
    Clock::time_point free_{};                      // and ever after
  };
  struct End {
    Lane out, in;
  };

  const Links links_;
  const int ranks_per_node_;
  std::vector<End> intra_;  // by rank
  std::vector<End> inter_;  // by rank, or by node where shared
};

class EmulatedLinks::Message {
 private:
  friend class EmulatedLinks;

  static constexpr Clock::time_point kUnsettled = Clock::time_point::min();

  Clock::time_point ready;
  Clock::duration duration, latency;
  Lane *out = nullptr, *in = nullptr;  // null: nothing is emulated
  Clock::time_point sent = kUnsettled, received = kUnsettled;
};

}  // namespace lvx
