// SPDX-License-Identifier: Apache-2.0
// Types that both implementations of the primitives share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attention/half.h"

#if defined(__CUDACC__)
#define LVX_GPU __device__ __forceinline__
#define LVX_UNROLL _Pragma("unroll")
#define LVX_UNROLL_TWICE _Pragma("unroll 2")
#else
#define LVX_GPU inline
#define LVX_UNROLL
#define LVX_UNROLL_TWICE
#endif

namespace lvx::cuda {

constexpr int kWarp = 32;

// An offset in the block's shared memory, in bytes.
struct SharedAddress {
  std::uint32_t offset;
};
LVX_GPU SharedAddress operator+(SharedAddress address, int bytes) {
  return {address.offset + static_cast<std::uint32_t>(bytes)};
}

// Units that one thread loads or stores in one access.
struct alignas(16) Chunk {
  std::uint32_t words[4];
};

// Four 8x8 matrices of 2-byte elements, distributed over a warp. Of each matrix, lane l holds columns 2 (l % 4) and
// 2 (l % 4) + 1 of row l / 4 (transposed: rows and columns exchanged), the first in the low half.
struct Matrices {
  std::uint32_t parts[4];
};

// Two elements of T, the first in the low half.
template <typename T>
struct Pair {
  std::uint32_t bits;
};

}  // namespace lvx::cuda
