// SPDX-License-Identifier: Apache-2.0
// Computes probabilities and the gradients of logits from logits, in backward.
#pragma once

#include "device/cuda/collective/mask.h"

namespace lvx::cuda {

// A row's statistics in backward. lse is base 2; +infinity for a row that sees no key or is padding, so that its
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

// At or above this, a weight is taken to be 1: the difference is rounding, mostly that of lse.
constexpr float kCertain = -0x1p-18f;

// Replaces s, a base-2 logit, by the probability, and dp by the gradient of the logit. If a row sees a single key, or one key
// has all the weight, dp and delta are the same number, summed in two orders, delta from a rounded o. Their difference would
// be noise, so it is replaced by 0.
LVX_GPU void to_gradient(const RowState& row, float& s, float& dp) {
  const float x = s - row.lse;
  s = exp2_fast(x);
  dp = (x >= kCertain ? 0.0f : s) * (dp - row.delta);
}

}  // namespace lvx::cuda
