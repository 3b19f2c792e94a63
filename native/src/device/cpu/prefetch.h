// SPDX-License-Identifier: Apache-2.0
// Prefetches rows of the next tile, a few at a time, while the current tile is computed. Rows of one head are far apart, so
// the hardware prefetcher does not fetch them. Too many prefetches at once would fill the miss queue and stall the computation.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "attention/views.h"

namespace lvx {

class Prefetcher {
 public:
  Prefetcher() = default;

  // Prefetches rows [begin, end) of each of the tensors, at most four tensors, spread over that many operations.
  Prefetcher(std::initializer_list<const Bshd*> tensors, std::int64_t b, std::int64_t head,
             std::int64_t begin, std::int64_t end, std::int64_t dim, std::int64_t operations)
      : left_(static_cast<std::int64_t>(tensors.size()) * (end - begin)),
        operations_a_row_(left_ > 0 ? std::max<std::int64_t>(1, operations / left_) : operations) {
    for (const Bshd* x : tensors) {
      walks_[count_++] = {x->at(b, begin, head), x->row_stride * size_of(x->dtype), dim * size_of(x->dtype)};
    }
  }

  // How many times that number of operations should be done between two calls of step.
  std::int64_t pace(std::int64_t operations) const {
    constexpr std::int64_t kLeast = 256;  // with fewer, steps cost more than they gain
    return std::max(kLeast, operations_a_row_) / operations;
  }

  // Tells that this many operations are done.
  void step(std::int64_t operations) {
    for (done_ += operations; done_ >= operations_a_row_ && left_ > 0; done_ -= operations_a_row_, --left_) {
      Walk& walk = walks_[next_];
      for (std::int64_t offset = 0; offset < walk.bytes; offset += kLine)
        __builtin_prefetch(walk.row + offset);
      walk.row += walk.stride;
      next_ = next_ + 1 == count_ ? 0 : next_ + 1;
    }
  }

 private:
  static constexpr std::int64_t kLine = 64;

  struct Walk {
    const std::byte* row = nullptr;
    std::int64_t stride = 0, bytes = 0;
  };

  Walk walks_[4] = {};
  int count_ = 0;
  int next_ = 0;
  std::int64_t left_ = 0;
  std::int64_t operations_a_row_ = 0;
  std::int64_t done_ = 0;
};

}  // namespace lvx
