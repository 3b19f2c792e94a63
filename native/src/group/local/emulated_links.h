// SPDX-License-Identifier: Apache-2.0
// Computes when messages would arrive over links that are slower than memory. Links are full duplex. Each end transfers
// messages in the order in which both ranks were ready.
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

  // Adds a message for which both ranks are ready at that time. Not thread-safe, like the whole class.
  std::shared_ptr<Message> offer(int from, int to, std::size_t bytes, Clock::time_point ready);
  // The arrival time of a message. It is final: later offers do not change it. In virtual time, ranks offer messages in any
  // order, so call this as late as possible.
  Clock::time_point arrival(Message& message);
  // offer and arrival in one call.
  Clock::time_point carry(int from, int to, std::size_t bytes, Clock::time_point ready);

 private:
  // One direction of an end. If a message was ready before others whose times are final, it is scheduled into the idle time
  // between these.
  class Lane {
   public:
    void offer(std::shared_ptr<Message> message);
    // Schedules this message and all messages that were ready before it. Stores each message's completion time in its
    // member `end`, and returns that of this message.
    Clock::time_point settle(const Message& message, Clock::time_point Message::*end);

   private:
    Clock::time_point carry(Clock::time_point ready, Clock::duration duration);

    struct Idle {
      Clock::time_point begin, end;
    };
    std::deque<std::shared_ptr<Message>> offered_;  // not scheduled yet, ordered by readiness
    std::deque<Idle> idle_;                         // idle intervals before free_, in order
    Clock::time_point free_{};                      // the lane is idle from this time on
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
  Lane *out = nullptr, *in = nullptr;  // null: the link is not emulated
  Clock::time_point sent = kUnsettled, received = kUnsettled;
};

}  // namespace lvx
