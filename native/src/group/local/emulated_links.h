// SPDX-License-Identifier: Apache-2.0
// When messages would arrive over links slower than memory. Links are full duplex; each end carries messages from when
// both their sides are ready, whenever it is idle.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "group/group.h"

namespace lvx {

class EmulatedLinks {
 public:
  EmulatedLinks(const GroupOptions& options, int ranks);

  // The arrival of a message that both ranks are ready for now. Not thread-safe.
  Clock::time_point carry(int from, int to, std::size_t bytes, Clock::time_point now);

 private:
  // One direction of an end. Ranks whose time is virtual come in no order, so that a message may be due before others
  // that are already under way: it fills the idle time between them.
  class Lane {
   public:
    // When it has carried what is ready at that time.
    Clock::time_point carry(Clock::time_point ready, Clock::duration duration);

   private:
    struct Idle {
      Clock::time_point begin, end;
    };
    std::deque<Idle> idle_;     // before free_, in order
    Clock::time_point free_{};  // and ever after
  };
  struct End {
    Lane out, in;
  };

  const Links links_;
  const int ranks_per_node_;
  std::vector<End> intra_;  // by rank
  std::vector<End> inter_;  // by rank, or by node where shared
};

}  // namespace lvx
