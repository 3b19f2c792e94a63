// SPDX-License-Identifier: Apache-2.0
// Brings rows of the next tile into the cache, a few at a time while the current tile is computed. Rows of one
// head lie far apart, so the hardware does not foresee them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attention/views.h"

namespace lvx {

class Prefetcher {
 public:
  Prefetcher() = default;

  // Rows [begin, end) of k and v, spread over so many calls of step.
  Prefetcher(const Bshd& k, const Bshd& v, std::int64_t b, std::int64_t head, std::int64_t begin,
             std::int64_t end, std::int64_t dim, std::int64_t steps)
      : rows_{k.at(b, begin, head), v.at(b, begin, head)},
        strides_{k.row_stride * size_of(k.dtype), v.row_stride * size_of(v.dtype)},
        row_bytes_(dim * size_of(k.dtype)),
        left_(2 * (end - begin)),
        rows_a_step_(left_ / (steps > 0 ? steps : 1) + 1) {}

  void step() {
    for (std::int64_t i = 0; i < rows_a_step_ && left_ > 0; ++i, --left_) {
      const std::byte* row = rows_[left_ & 1];
      for (std::int64_t offset = 0; offset < row_bytes_; offset += kLine) __builtin_prefetch(row + offset);
      rows_[left_ & 1] += strides_[left_ & 1];
    }
  }

 private:
  static constexpr std::int64_t kLine = 64;

  const std::byte* rows_[2] = {};
  std::int64_t strides_[2] = {};
  std::int64_t row_bytes_ = 0;
  std::int64_t left_ = 0;
  std::int64_t rows_a_step_ = 0;
};

}  // namespace lvx
