// SPDX-License-Identifier: Apache-2.0
// c += p b where p is zero for pairs that do not see each other, and b may then hold anything. A tensor core would make
// NaN of zero times infinity. So what is not finite in b is multiplied as zero, and a second product counts, for each
// element of c, which infinities and NaNs it has met with a factor that is not zero.
#pragma once

#include <limits>

#include "device/cuda/collective/mask.h"
#include "device/cuda/collective/multiply.h"

namespace lvx::cuda {

template <typename T>
struct Bits;
template <>
struct Bits<BFloat16> {
  static constexpr std::uint32_t kExponent = 0x7f80, kMantissa = 0x7f;
};
template <>
struct Bits<Float16> {
  static constexpr std::uint32_t kExponent = 0x7c00, kMantissa = 0x3ff;
};

// Whether a pair of elements holds one that is not finite.
template <typename T>
LVX_GPU bool has_infinite(std::uint32_t pair) {
  constexpr std::uint32_t kExponent = Bits<T>::kExponent;
  return (pair & kExponent) == kExponent || (pair >> 16 & kExponent) == kExponent;
}

// Whether rows [row, row + kRows) of a tile hold anything that is not finite; the whole warp asks.
template <typename T, int kRows, int kDim>
LVX_GPU bool tile_has_infinite(const SharedTile<kDim>& tile, int row) {
  bool found = false;
  for (int i = lane(); i < kRows * (kDim / 8); i += kWarp) {
    const Chunk chunk = load_shared<Chunk>(tile.at(row + i / (kDim / 8), i % (kDim / 8) * 8));
    LVX_UNROLL
    for (int j = 0; j < 4; ++j) found |= has_infinite<T>(chunk.words[j]);
  }
  return ballot(found) != 0;
}

// What one pair of b counts as: 1 for +infinity, 128 for -infinity, 16384 for NaN. Sums over a tile stay exact.
template <typename T>
LVX_GPU float count_of(std::uint32_t element) {
  if ((element & Bits<T>::kExponent) != Bits<T>::kExponent) return 0;
  if ((element & Bits<T>::kMantissa) != 0) return 16384;
  return (element & 0x8000u) != 0 ? 128.0f : 1.0f;
}
template <typename T>
LVX_GPU std::uint32_t counts_of(std::uint32_t pair) {
  return pack<T>(count_of<T>(pair & 0xffffu), count_of<T>(pair >> 16)).bits;
}
template <typename T>
LVX_GPU std::uint32_t finite_of(std::uint32_t pair) {
  constexpr std::uint32_t kExponent = Bits<T>::kExponent;
  if ((pair & kExponent) == kExponent) pair &= 0xffff0000u;
  if ((pair >> 16 & kExponent) == kExponent) pair &= 0xffffu;
  return pair;
}

// 1 where an element of the left side is not zero.
template <typename T>
LVX_GPU std::uint32_t ones_of(std::uint32_t pair) {
  return pack<T>((pair & 0x7fffu) != 0 ? 1.0f : 0.0f, (pair >> 16 & 0x7fffu) != 0 ? 1.0f : 0.0f).bits;
}

// What counts mean as a summand. With factors of either sign an infinity's own sign says nothing.
LVX_GPU float summand_of(float counts, bool positive_factors) {
  if (counts == 0) return 0;
  if (positive_factors && counts < 128) return kInfinity;
  const int whole = static_cast<int>(counts);
  if (positive_factors && whole % 128 == 0 && whole < 16384) return -kInfinity;
  return std::numeric_limits<float>::quiet_NaN();
}

template <typename T, int kTiles, int kDepth, int kColumns, int kDim>
LVX_GPU void guarded_multiply(float (&c)[kTiles][kColumns / 8][4], const float (&p)[kTiles][kDepth / 8][4],
                              const SharedTile<kDim>& b, int b_row, int column, bool positive_factors) {
  LVX_UNROLL
  for (int n = 0; n < kColumns / 16; ++n) {
    float counts[kTiles][2][4] = {};
    LVX_UNROLL
    for (int k = 0; k < kDepth / 16; ++k) {
      const Matrices right = load_matrices_transposed(transposed_at(b, b_row + 16 * k, column + 16 * n));
      LVX_UNROLL
      for (int i = 0; i < kTiles; ++i) {
        const Matrices left = as_left<T, kDepth>(p[i], k);
        Matrices ones;
        LVX_UNROLL
        for (int j = 0; j < 4; ++j) ones.parts[j] = ones_of<T>(left.parts[j]);
        LVX_UNROLL
        for (int half = 0; half < 2; ++half) {
          const std::uint32_t b0 = right.parts[2 * half];
          const std::uint32_t b1 = right.parts[2 * half + 1];
          multiply_add<T>(c[i][2 * n + half], left, finite_of<T>(b0), finite_of<T>(b1));
          multiply_add<T>(counts[i][half], ones, counts_of<T>(b0), counts_of<T>(b1));
        }
      }
    }
    LVX_UNROLL
    for (int i = 0; i < kTiles; ++i) {
      LVX_UNROLL
      for (int half = 0; half < 2; ++half) {
        LVX_UNROLL
        for (int e = 0; e < 4; ++e) {
          c[i][2 * n + half][e] += summand_of(counts[i][half][e], positive_factors);
        }
      }
    }
  }
}

}  // namespace lvx::cuda
