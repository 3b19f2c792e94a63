// SPDX-License-Identifier: Apache-2.0
// The part of a key rank's bias that one rank's queries need, as it travels with moving keys: compact, of the extents
// [batch or 1, heads or 1, the queries' rows or 1, keys].
#pragma once

#include "schedule/attention_call.h"
#include "schedule/shards.h"

namespace lvx {

class BiasSlice {
 public:
  BiasSlice(const Announcement& keys_home, std::int64_t keys, std::int64_t queries)
      : batch_(keys_home.bias_batch),
        heads_(keys_home.bias_heads),
        rows_(keys_home.bias_rows == 1 ? 1 : queries),
        keys_(keys_home.has_bias != 0 ? keys : 0) {}

  std::int64_t bytes(DType dtype) const { return batch_ * heads_ * rows_ * keys_ * size_of(dtype); }
  Bias view(std::byte* data, DType dtype) const { return compact_bias(data, dtype, batch_, heads_, rows_, keys_); }
  void copy(Device& device, const Bias& from, const Bias& to) const {
    device.copy(batch_, heads_, rows_, keys_, from, to);
  }

 private:
  std::int64_t batch_, heads_, rows_, keys_;
};

}  // namespace lvx
