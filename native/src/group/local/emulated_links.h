// SPDX-License-Identifier: Apache-2.0
// When messages would arrive over links slower than memory. Links are full duplex; each end carries what it is given in
// the order in which both sides of the messages were ready.
#pragma once

#include <cstddef>
#include <vector>

#include "group/group.h"

namespace lvx {

class EmulatedLinks {
 public:
  EmulatedLinks(const GroupOptions& options, int ranks);

  // The arrival of a message that both ranks are ready for now. Not thread-safe.
  Clock::time_point carry(int from, int to, std::size_t bytes, Clock::time_point now);

 private:
  // When an end of a link has sent, or received, all that was given to it so far.
  struct End {
    Clock::time_point sent{};
    Clock::time_point received{};
  };

  const Links links_;
  const int ranks_per_node_;
  std::vector<End> intra_;  // by rank
  std::vector<End> inter_;  // by rank, or by node where shared
};

}  // namespace lvx
