// SPDX-License-Identifier: Apache-2.0
// The recorded steps of one rank. Steps that exceed the memory given are counted, but not stored.
#pragma once

#include <lvx/lvx.h>

#include <cstdint>
#include <span>

namespace lvx {

class Steps {
 public:
  explicit Steps(std::span<lvx_plan_step> room) : room_(room) {}

  void add(const lvx_plan_step& step) {
    if (count_ < room_.size()) room_[count_] = step;
    ++count_;
  }
  // Adds a memory-bound step; none if no bytes are read or written.
  void add_memory(std::int64_t bytes_read, std::int64_t bytes_written) {
    if (bytes_read == 0 && bytes_written == 0) return;
    lvx_plan_step step{};
    step.kind = LVX_PLAN_MEMORY;
    step.bytes_read = static_cast<std::uint64_t>(bytes_read);
    step.bytes_written = static_cast<std::uint64_t>(bytes_written);
    add(step);
  }
  // The number of all steps, stored or not.
  std::uint64_t count() const { return count_; }

 private:
  std::span<lvx_plan_step> room_;
  std::uint64_t count_ = 0;
};

}  // namespace lvx
