// SPDX-License-Identifier: Apache-2.0
// The part of a rank's bias that travels with its keys, for some queries and heads. It is contiguous, with extents
// [batch or 1, heads or 1, queries or 1, keys].
#pragma once

#include "attention/views.h"
#include "group/announcement.h"

namespace lvx {

class BiasSlice {
 public:
  BiasSlice(const Announcement& home, std::int64_t queries)
      : batch_(home.bias_batch),
        heads_(home.bias_heads),
        rows_(home.bias_rows == 1 ? 1 : queries),
        keys_(home.has_bias != 0 ? home.keys : 0),
        dtype_(static_cast<DType>(home.bias_dtype)) {}

  // A slice for some of the heads.
  BiasSlice(const Announcement& home, std::int64_t queries, std::int64_t heads) : BiasSlice(home, queries) {
    if (heads_ != 1) heads_ = heads;
  }

  DType dtype() const { return dtype_; }
  std::int64_t bytes(DType dtype) const { return batch_ * heads_ * rows_ * keys_ * size_of(dtype); }
  Bias view(std::byte* data, DType dtype) const {
    return compact_bias(data, dtype, batch_, heads_, rows_, keys_);
  }

 private:
  std::int64_t batch_, heads_, rows_, keys_;
  DType dtype_;
};

}  // namespace lvx
