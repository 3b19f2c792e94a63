// SPDX-License-Identifier: Apache-2.0
// One logit, or one dot product of rows, computed by one thread.
#pragma once

#include <limits>

#include "device/cuda/collective/mask.h"

namespace lvx::cuda {

// Rows of any dtype, at offsets in elements.
template <typename T>
LVX_GPU T dot(const Bshd& x, std::int64_t x_at, const Bshd& y, std::int64_t y_at, int dim) {
  T sums[4] = {};
  for (int d = 0; d < dim; d += 4) {
    LVX_UNROLL
    for (int i = 0; i < 4; ++i) {
      sums[i] += load_as<T>(x.data, x.dtype, x_at + d + i) * load_as<T>(y.data, y.dtype, y_at + d + i);
    }
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// scale q k^T + bias, relative to the row's base; -infinity if the bias hides the key, even if q or k holds NaN.
template <typename T>
LVX_GPU T logit(const ProblemShape& shape, const Bshd& q, const Bshd& k, const Bias& bias,
                const Bhs& bias_max, std::int64_t batch, int query, int head, int key, int key_head) {
  T added = 0;
  if (bias.data != nullptr) {
    added = load_as<T>(bias.data, bias.dtype, offset_of(bias, batch, head, query, key));
    if (added == -std::numeric_limits<T>::infinity()) return added;
    added -= bias_base<T>(bias_max, batch, head, query);
  }
  return static_cast<T>(shape.scale) * dot<T>(q, offset_of(q, batch, query, head), k,
                                              offset_of(k, batch, key, key_head),
                                              static_cast<int>(shape.head_dim)) +
         added;
}

// Probability and gradient of one logit; both are 0 if the query does not see the key.
template <typename T>
struct ScalarGradient {
  T p = 0, ds = 0;

  template <typename Params>
  LVX_GPU ScalarGradient(const Params& a, std::int64_t batch, int query, int head, int key, int key_head) {
    const T nothing = -std::numeric_limits<T>::infinity();
    const T lse = load_as<T>(a.lse.data, a.lse.dtype, offset_of(a.lse, batch, head, query));
    const T s = logit<T>(a.shape, a.q, a.k, a.bias, a.bias_max, batch, query, head, key, key_head);
    if (lse == nothing || s == nothing) return;
    p = exponential(s - lse);
    const T delta = load_as<T>(a.delta.data, a.delta.dtype, offset_of(a.delta, batch, head, query));
    const T dp = dot<T>(a.d_o, offset_of(a.d_o, batch, query, head), a.v,
                        offset_of(a.v, batch, key, key_head), static_cast<int>(a.shape.head_dim));
    // The row sees a single key: dp and delta are the same number, summed in different orders.
    ds = (p == 1 ? T{0} : p) * (dp - delta);
  }
};

}  // namespace lvx::cuda
