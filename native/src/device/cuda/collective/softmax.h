// SPDX-License-Identifier: Apache-2.0
// The online softmax (Milakov and Gimelshein 2018) of the rows of a warp, in powers of two.
#pragma once

#include "device/cuda/collective/mask.h"
#include "device/cuda/warp/warp.h"

namespace lvx::cuda {

// Reductions over the four lanes that hold one row of an accumulator.
LVX_GPU float row_max(float x) {
  x = fmaxf(x, shuffle_xor(x, 1));
  return fmaxf(x, shuffle_xor(x, 2));
}
LVX_GPU float row_sum(float x) {
  x += shuffle_xor(x, 1);
  return x + shuffle_xor(x, 2);
}

template <int kTiles>
struct Softmax {
  float max[kTiles][2];
  float sum[kTiles][2];  // until finish, only of this lane's columns

  LVX_GPU Softmax() {
    LVX_UNROLL
    for (int i = 0; i < kTiles; ++i) {
      LVX_UNROLL
      for (int half = 0; half < 2; ++half) {
        max[i][half] = -kInfinity;
        sum[i][half] = 0;
      }
    }
  }

  // Replaces s by 2^(s - max), and rescales o to the same maximum.
  template <int kKeys, int kColumns>
  LVX_GPU void step(float (&s)[kTiles][kKeys / 8][4], float (&o)[kTiles][kColumns / 8][4]) {
    LVX_UNROLL
    for (int i = 0; i < kTiles; ++i) {
      LVX_UNROLL
      for (int half = 0; half < 2; ++half) {
        float top = max[i][half];
        LVX_UNROLL
        for (int n = 0; n < kKeys / 8; ++n) top = fmaxf(top, fmaxf(s[i][n][2 * half], s[i][n][2 * half + 1]));
        top = row_max(top);
        // The row has seen no key yet, so any finite base is valid.
        const float base = top == -kInfinity ? 0.0f : top;
        const float shrink = exp2_fast(max[i][half] - base);
        max[i][half] = top;
        float added = 0;
        LVX_UNROLL
        for (int n = 0; n < kKeys / 8; ++n) {
          LVX_UNROLL
          for (int e = 2 * half; e < 2 * half + 2; ++e) {
            s[i][n][e] = exp2_fast(s[i][n][e] - base);
            added += s[i][n][e];
          }
        }
        sum[i][half] = sum[i][half] * shrink + added;
        LVX_UNROLL
        for (int n = 0; n < kColumns / 8; ++n) {
          o[i][n][2 * half] *= shrink;
          o[i][n][2 * half + 1] *= shrink;
        }
      }
    }
  }

  LVX_GPU void finish() {
    LVX_UNROLL
    for (int i = 0; i < kTiles; ++i) {
      LVX_UNROLL
      for (int half = 0; half < 2; ++half) sum[i][half] = row_sum(sum[i][half]);
    }
  }
};

// The natural logarithm of sum * 2^max; -infinity if no key was seen.
LVX_GPU float lse_of(float max, float sum) { return sum == 0 ? -kInfinity : max * kLn2 + logarithm(sum); }

}  // namespace lvx::cuda
