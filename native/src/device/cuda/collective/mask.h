// SPDX-License-Identifier: Apache-2.0
// The mask of a query and a tile of keys: visibility as a bit mask, bias as an additive number.
#pragma once

#include <limits>

#include "device/cuda/collective/address.h"
#include "device/cuda/warp/warp.h"

namespace lvx::cuda {

constexpr float kLog2e = 1.44269504f;
constexpr float kLn2 = 0.693147181f;
constexpr double kLn2Double = 0.693147180559945309;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

LVX_GPU double power_of_two(float x) { return exponential(static_cast<double>(x) * kLn2Double); }

// Bits [begin, end) of 64; both 0 to 64.
LVX_GPU std::uint64_t bits_between(int begin, int end) {
  if (begin >= end) return 0;
  return (~std::uint64_t{0} >> (64 - (end - begin))) << begin;
}

// Bit mask of the keys [first, first + keys) that a query sees; at most 64 keys, numbered as in visibility.
LVX_GPU std::uint64_t visible_bits(const Visibility& visibility, std::int64_t batch, std::int64_t query,
                                   std::int64_t first, int keys) {
  const std::uint64_t all = bits_between(0, keys);
  if (visibility.data == nullptr) return all;
  const std::int32_t* range =
      visibility.data + batch * visibility.batch_stride + query * visibility.row_stride;
  std::uint64_t bits = 0;
  for (std::int64_t r = 0; r < visibility.ranges; ++r, range += visibility.range_stride) {
    const std::int64_t begin = load_global(range) - first;
    const std::int64_t end = load_global(range + 1) - first;
    if (begin >= end) continue;
    if (begin >= keys) break;  // ranges ascend
    if (end > 0) {
      bits |=
          bits_between(begin < 0 ? 0 : static_cast<int>(begin), end > keys ? keys : static_cast<int>(end));
    }
  }
  return bits;
}

// The base of a row's biases, a separate term of lse; 0 if there is none.
template <typename T>
LVX_GPU T bias_base(const Bhs& bias_max, std::int64_t batch, int head, int query) {
  if (bias_max.data == nullptr) return 0;
  return load_global(elements<T>(bias_max.data) + offset_of(bias_max, batch, head, query));
}

// The bias of one query and key. Its dtype is T or float32.
template <typename T>
LVX_GPU float bias_at(const Bias& bias, std::int64_t batch, int head, int query, std::int64_t key) {
  return load_half<T>(bias.data, bias.dtype, offset_of(bias, batch, head, query, key));
}

}  // namespace lvx::cuda
