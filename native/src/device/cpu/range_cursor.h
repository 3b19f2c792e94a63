// SPDX-License-Identifier: Apache-2.0
// Traverses one query's visible ranges for ascending runs of keys.
#pragma once

#include <cstdint>

#include "attention/views.h"

namespace lvx {

enum class Seen : std::uint8_t { kNothing, kSome, kEverything };

class RangeCursor {
 public:
  RangeCursor() = default;
  RangeCursor(const Visibility& visibility, std::int64_t b, std::int64_t row)
      : ranges_(visibility.everything() ? nullptr : visibility.at(b, row)),
        left_(visibility.ranges),
        stride_(visibility.range_stride) {}

  // Whether the query sees all, some or none of the keys [begin, end). begin must not decrease between calls.
  Seen advance(std::int64_t begin, std::int64_t end) {
    if (ranges_ == nullptr) return Seen::kEverything;
    while (left_ > 0 && (ranges_[0] >= ranges_[1] || ranges_[1] <= begin)) {
      ranges_ += stride_;
      --left_;
    }
    if (left_ == 0 || ranges_[0] >= end) return Seen::kNothing;
    return ranges_[0] <= begin && ranges_[1] >= end ? Seen::kEverything : Seen::kSome;
  }

  // Calls visit(first, last) for the runs of [begin, end) that the query does not see, after advance(begin, end).
  template <typename Visit>
  void for_hidden(std::int64_t begin, std::int64_t end, Visit&& visit) const {
    if (ranges_ == nullptr) return;
    std::int64_t at = begin;
    const std::int32_t* range = ranges_;
    for (std::int64_t i = 0; i < left_ && at < end; ++i, range += stride_) {
      if (range[0] >= range[1]) continue;
      if (range[0] >= end) break;
      if (range[0] > at) visit(at, std::int64_t{range[0]});
      if (range[1] > at) at = range[1];
    }
    if (at < end) visit(at, end);
  }

 private:
  const std::int32_t* ranges_ = nullptr;
  std::int64_t left_ = 0;
  std::int64_t stride_ = 0;
};

}  // namespace lvx
