// SPDX-License-Identifier: Apache-2.0
// From logits to probabilities and the gradients of logits, in backward.
#pragma once

#include "device/cuda/collective/mask.h"

namespace lvx::cuda {

// What backward knows of one row. lse in powers of two; +infinity for a row that sees nothing or is none, so that its
// probabilities are zero.
struct RowState {
  float lse = kInfinity;
  float delta = 0;

  LVX_GPU RowState() {}
  LVX_GPU RowState(const Bhs& lses, const Bhs& deltas, std::int64_t batch, int head, int query) {
    const float natural = load_global(elements<float>(lses.data) + offset_of(lses, batch, head, query));
    if (natural == -kInfinity) return;
    lse = natural * kLog2e;
    delta = load_global(elements<float>(deltas.data) + offset_of(deltas, batch, head, query));
  }
};

// From here on a weight is one but for rounding, that of lse above all.
constexpr float kCertain = -0x1p-18f;

// s, a logit in powers of two, becomes the probability, and dp the gradient of the logit. Where a row sees one key, or
// one alone counts, dp and delta are the same number, which was summed in two orders, and for delta from a rounded o: what
// is left of it would be noise.
LVX_GPU void to_gradient(const RowState& row, float& s, float& dp) {
  const float x = s - row.lse;
  s = exp2_fast(x);
  dp = (x >= kCertain ? 0.0f : s) * (dp - row.delta);
}

}  // namespace lvx::cuda
