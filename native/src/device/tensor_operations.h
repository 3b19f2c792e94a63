// SPDX-License-Identifier: Apache-2.0
// What schedules do with tensors beside attention: pack, convert, sum, and look at the visibility.
#pragma once

#include <cstdint>
#include <span>

#include "attention/views.h"

namespace lvx {

class TensorOperations {
 public:
  // to = from, converted and re-strided; both have the same extents.
  virtual void copy(const Bshd& from, const Bshd& to) = 0;
  void copy(const Bhs& from, const Bhs& to) { copy(as_bshd(from), as_bshd(to)); }
  // to: compact ranges, as many.
  virtual void copy(const Visibility& from, std::int32_t* to) = 0;
  // to += from; both have the same extents.
  virtual void add(const Bshd& from, const Bshd& to) = 0;
  // to = a + b, of one dtype and the same extents.
  void sum(const Bhs& a, const Bhs& b, const Bhs& to) {
    copy(a, to);
    add(as_bshd(b), as_bshd(to));
  }
  // seen[i] = 1 if any query sees a key of [bounds[i], bounds[i + 1]). Host memory; blocks until known.
  virtual void shards_seen(const Visibility& visibility, std::span<const std::int64_t> bounds,
                           std::span<std::uint8_t> seen) = 0;

 protected:
  ~TensorOperations() = default;
};

}  // namespace lvx
