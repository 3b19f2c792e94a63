// SPDX-License-Identifier: Apache-2.0
// Hidden rows may hold NaN and infinity, and a tensor core computes NaN for zero times infinity. So before a product p b in
// which zeros of p mean hidden pairs, non-finite elements of b are set to zero, and their effect on the rows that
// see them is added separately. Used only for masked tiles with such elements.
#pragma once

#include "device/cuda/collective/mask.h"
#include "device/cuda/collective/shared_tile.h"

namespace lvx::cuda {

template <typename T>
struct HalfBits;
template <>
struct HalfBits<BFloat16> {
  static constexpr std::uint32_t kExponent = 0x7f80, kMantissa = 0x7f;
};
template <>
struct HalfBits<Float16> {
  static constexpr std::uint32_t kExponent = 0x7c00, kMantissa = 0x3ff;
};

// The non-finite elements of a tile of up to 64 rows.
template <typename T, int kRows, int kDim>
class Infinities {
 public:
  static_assert(kRows <= 64);
  static constexpr int kSharedBytes = 16 * kDim;

  LVX_GPU Infinities(const SharedTile<kDim>& tile, SharedAddress masks) : tile_(tile), masks_(masks) {}

  // Each warp checks the whole tile, so that all agree.
  LVX_GPU bool any() const {
    constexpr std::uint32_t kExponent = HalfBits<T>::kExponent;
    bool found = false;
    for (int i = lane(); i < kRows * (kDim / 8); i += kWarp) {
      const Chunk chunk = load_shared<Chunk>(tile_.at(i / (kDim / 8), i % (kDim / 8) * 8));
      LVX_UNROLL
      for (int j = 0; j < 4; ++j) {
        found |= (chunk.words[j] & kExponent) == kExponent || (chunk.words[j] >> 16 & kExponent) == kExponent;
      }
    }
    return ballot(found) != 0;
  }

  // Sets non-finite elements to zero. Records for each column which rows held +infinity or NaN, and which -infinity or NaN.
  template <int kThreads>
  LVX_GPU void take_out() const {
    sync_block();  // all warps have checked
    for (int column = thread_index(); column < kDim; column += kThreads) {
      std::uint64_t positive = 0;
      std::uint64_t negative = 0;
      for (int row = 0; row < kRows; ++row) {
        const std::uint32_t bits = load_shared<std::uint16_t>(tile_.at(row, column));
        if ((bits & HalfBits<T>::kExponent) != HalfBits<T>::kExponent) continue;
        const bool nan = (bits & HalfBits<T>::kMantissa) != 0;
        const bool minus = (bits & 0x8000u) != 0;
        if (nan || !minus) positive |= std::uint64_t{1} << row;
        if (nan || minus) negative |= std::uint64_t{1} << row;
        store_shared(tile_.at(row, column), std::uint16_t{0});
      }
      store_shared(masks_ + 16 * column, positive);
      store_shared(masks_ + (16 * column + 8), negative);
    }
    sync_block();
  }

  // Adds their contribution to p b to c, for rows [first_row, first_row + kDepth) and columns from first_column on.
  template <int kTiles, int kDepth, int kColumns>
  LVX_GPU void add(float (&c)[kTiles][kColumns / 8][4], const float (&p)[kTiles][kDepth / 8][4],
                   int first_row, int first_column) const {
    const int own = lane() % 4 * 2;
    LVX_UNROLL
    for (int i = 0; i < kTiles; ++i) {
      LVX_UNROLL
      for (int half = 0; half < 2; ++half) {
        sync_warp();  // otherwise the compiler keeps the masks of all columns in registers
        // The rows where p is positive, and where it is negative. NaN counts as both.
        std::uint64_t above = 0;
        std::uint64_t below = 0;
        LVX_UNROLL
        for (int n = 0; n < kDepth / 8; ++n) {
          LVX_UNROLL
          for (int e = 0; e < 2; ++e) {
            const float x = p[i][n][2 * half + e];
            const std::uint64_t bit = std::uint64_t{1} << (8 * n + e);
            if (!(x <= 0)) above |= bit;
            if (!(x >= 0)) below |= bit;
          }
        }
        above = joined(above << own) << first_row;
        below = joined(below << own) << first_row;
        LVX_UNROLL
        for (int n = 0; n < kColumns / 8; ++n) {
          LVX_UNROLL
          for (int e = 0; e < 2; ++e) {
            const SharedAddress at = masks_ + 16 * (first_column + 8 * n + own + e);
            const auto positive = load_shared<std::uint64_t>(at);
            const auto negative = load_shared<std::uint64_t>(at + 8);
            if (((above & positive) | (below & negative)) != 0) c[i][n][2 * half + e] += kInfinity;
            if (((above & negative) | (below & positive)) != 0) c[i][n][2 * half + e] -= kInfinity;
          }
        }
      }
    }
  }

 private:
  // Combines the four lanes that hold one row.
  static LVX_GPU std::uint64_t joined(std::uint64_t bits) {
    bits |= shuffle_xor(bits, 1);
    return bits | shuffle_xor(bits, 2);
  }

  SharedTile<kDim> tile_;
  SharedAddress masks_;
};

}  // namespace lvx::cuda
