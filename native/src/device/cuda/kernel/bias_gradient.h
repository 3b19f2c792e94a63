// SPDX-License-Identifier: Apache-2.0
// d_bias, in any dtype, without tensor cores. One thread per element sums over the dimensions along which the bias is
// broadcast, in a fixed order.
#pragma once

#include "device/cuda/collective/row_blocks.h"
#include "device/cuda/collective/scalar_logit.h"
#include "device/cuda/kernel/params.h"

namespace lvx::cuda {

template <typename T>
class BiasGradient {
 public:
  using Params = BiasGradientParams;
  static constexpr int kThreads = kBiasThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    const ProblemShape& a = p.shape;
    const std::int64_t index = block_index() * kThreads + thread_index();
    const int key = static_cast<int>(index % a.keys);
    std::int64_t rest = index / a.keys;
    const Span rows(p.d_bias.row_stride, a.queries, rest);
    const Span heads(p.d_bias.head_stride, a.query_heads, rest);
    const Span batches(p.d_bias.batch_stride, a.batch, rest);
    if (rest > 0) return;
    const int group = static_cast<int>(a.query_heads / a.key_heads);
    double sum = 0;
    for (std::int64_t b = batches.begin; b < batches.end; ++b) {
      for (std::int64_t row = rows.begin; row < rows.end; ++row) {
        if (visible_bits(p.visibility, b, row, a.first_key + key, 1) == 0) continue;
        for (std::int64_t h = heads.begin; h < heads.end; ++h) {
          const int head = static_cast<int>(h);
          sum +=
              static_cast<double>(ScalarGradient<T>(p, b, static_cast<int>(row), head, key, head / group).ds);
        }
      }
    }
    put_as<double>(sum, true, p.d_bias.data, p.d_bias.dtype,
                   offset_of(p.d_bias, batches.begin, heads.begin, rows.begin, key));
  }

 private:
  // The range of a dimension to sum over: one index, or all indices if the bias is broadcast along the dimension.
  struct Span {
    std::int64_t begin, end;

    LVX_GPU Span(std::int64_t stride, std::int64_t extent, std::int64_t& rest) : begin(0), end(extent) {
      if (stride == 0) return;
      begin = rest % extent;
      end = begin + 1;
      rest /= extent;
    }
  };
};

}  // namespace lvx::cuda
