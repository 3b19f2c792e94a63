// SPDX-License-Identifier: Apache-2.0
// The tensor operations of schedules other than attention: pack, convert, sum, and evaluate the visibility.
#pragma once

#include <cstdint>
#include <span>

#include "attention/views.h"

namespace lvx {

class TensorOperations {
 public:
  // to = from, with conversion between dtypes and strides. Both have the same extents.
  virtual void copy(const Bshd& from, const Bshd& to) = 0;
  void copy(const Bhs& from, const Bhs& to) { copy(as_bshd(from), as_bshd(to)); }
  // to: the same ranges, contiguous.
  virtual void copy(const Visibility& from, std::int32_t* to) = 0;
  // to += from. Both have the same extents.
  virtual void add(const Bshd& from, const Bshd& to) = 0;
  // to = a + b. All have the same dtype and extents.
  void sum(const Bhs& a, const Bhs& b, const Bhs& to) {
    copy(a, to);
    add(as_bshd(b), as_bshd(to));
  }
  // seen[i] = 1 if any query sees a key of [bounds[i], bounds[i + 1]). bounds and seen are in host memory. Blocks until
  // the result is available.
  virtual void shards_seen(const Visibility& visibility, std::span<const std::int64_t> bounds,
                           std::span<std::uint8_t> seen) = 0;

 protected:
  ~TensorOperations() = default;
};

}  // namespace lvx
