// SPDX-License-Identifier: Apache-2.0
// Brings rows of the next tile into the cache, a few at a time while the current tile is computed. Rows of one
// head lie far apart, so the hardware does not foresee them. Many at once would fill the queue of misses, and what is
// computed would wait behind them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "attention/views.h"

namespace lvx {

class Prefetcher {
 public:
  Prefetcher() = default;

  // Rows [begin, end) of k and v, spread over so many operations.
  Prefetcher(const Bshd& k, const Bshd& v, std::int64_t b, std::int64_t head, std::int64_t begin,
             std::int64_t end, std::int64_t dim, std::int64_t operations)
      : rows_{k.at(b, begin, head), v.at(b, begin, head)},
        strides_{k.row_stride * size_of(k.dtype), v.row_stride * size_of(v.dtype)},
        row_bytes_(dim * size_of(k.dtype)),
        left_(2 * (end - begin)),
        operations_a_row_(left_ > 0 ? std::max<std::int64_t>(1, operations / left_) : operations) {}

  // How many times so many operations should pass between two steps.
  std::int64_t pace(std::int64_t operations) const {
    constexpr std::int64_t kLeast = 256;  // lest steps cost more than they bring
    return std::max(kLeast, operations_a_row_) / operations;
  }

  // So many operations are done.
  void step(std::int64_t operations) {
    for (done_ += operations; done_ >= operations_a_row_ && left_ > 0; done_ -= operations_a_row_, --left_) {
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
  std::int64_t operations_a_row_ = 0;
  std::int64_t done_ = 0;
};

}  // namespace lvx
