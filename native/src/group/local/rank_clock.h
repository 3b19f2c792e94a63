// SPDX-License-Identifier: Apache-2.0
// A rank's clock. In virtual time it is the CPU time of the rank's thread plus its waits for emulated links, so that ranks
// that share CPU cores are timed as if each had its own.
#pragma once

#include <ctime>

#include "group/transport.h"

namespace lvx {

class RankClock {
 public:
  explicit RankClock(bool is_virtual) : virtual_(is_virtual) {}

  bool is_virtual() const { return virtual_; }
  // To be called by the rank's own thread.
  Clock::time_point now() const {
    return virtual_ ? Clock::time_point(processor_time() + waited_) : Clock::now();
  }
  // Virtual time only: the rank has waited until then.
  void wait_until(Clock::time_point arrival) {
    const Clock::time_point here = now();
    if (arrival > here) waited_ += arrival - here;
  }
  // Virtual time only: excludes the thread's work since then from the rank's time.
  void take_back(Clock::time_point since) { waited_ -= now() - since; }

 private:
  static Clock::duration processor_time() {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::duration_cast<Clock::duration>(std::chrono::seconds(used.tv_sec) +
                                                       std::chrono::nanoseconds(used.tv_nsec));
  }

  bool virtual_;
  Clock::duration waited_{};
};

}  // namespace lvx
