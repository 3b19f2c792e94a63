// SPDX-License-Identifier: Apache-2.0
// A call for ranks on GPUs, and the comparison of its results with those of one rank.
#pragma once

#include <gtest/gtest.h>
#include <lvx/lvx.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "gpu/gpu_tensor.h"

namespace lvx::test {

constexpr int kKeys = 12;

inline lvx_device open_gpu(int ordinal) {
  lvx_cuda_options options{};
  options.struct_size = sizeof(options);
  options.ordinal = ordinal;
  lvx_device device = 0;
  EXPECT_EQ(lvx_device_open_cuda(&options, &device), LVX_OK) << error_now().message;
  return device;
}

inline lvx_attention_options options_with(lvx_strategy strategy) {
  lvx_attention_options options{};
  options.struct_size = sizeof(options);
  options.scale = 0.25;
  options.strategy = strategy;
  return options;
}

// Every rank has 3 queries and the same 12 keys, so each query sees the keys once per rank. o and the sum of dk over the ranks
// are therefore those of one rank, for every strategy.
struct GpuResults {
  std::vector<double> o, dq, dk;
};

inline void run_rank(lvx_group group, lvx_device device, lvx_strategy strategy, GpuResults& results) {
  GpuTensor q(device, DType::kFloat64, {1, 3, 2, 16});
  GpuTensor k(device, DType::kFloat64, {1, kKeys, 2, 16});
  GpuTensor v(device, DType::kFloat64, {1, kKeys, 2, 16});
  GpuTensor d_o(device, DType::kFloat64, {1, 3, 2, 16});
  q.fill(1);
  k.fill(2);
  v.fill(3);
  d_o.fill(4);
  GpuTensor o(device, DType::kFloat64, {1, 3, 2, 16});
  GpuTensor lse(device, DType::kFloat64, {1, 2, 3});
  GpuTensor dq(device, DType::kFloat64, {1, 3, 2, 16});
  GpuTensor dk(device, DType::kFloat64, {1, kKeys, 2, 16});
  GpuTensor dv(device, DType::kFloat64, {1, kKeys, 2, 16});
  const lvx_attention_options options = options_with(strategy);
  ASSERT_EQ(lvx_attention_forward(group, &options, q, k, v, nullptr, nullptr, o, lse, nullptr), LVX_OK)
      << error_now().message;
  ASSERT_EQ(lvx_attention_backward(group, &options, q, k, v, nullptr, nullptr, o, lse, d_o, dq, dk, dv,
                                   nullptr, nullptr),
            LVX_OK)
      << error_now().message;
  for (GpuTensor* result : {&o, &dq, &dk}) result->fetch();
  results = {o.host.memory, dq.host.memory, dk.host.memory};
}

inline void expect_near(const std::vector<double>& a, const std::vector<double>& b, const char* what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i + 1 < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-12) << what << " at " << i;
}

inline void expect_alike(const std::vector<GpuResults>& ranks, const GpuResults& one) {
  double largest = 0;
  for (const double x : one.o) largest = std::max(largest, std::abs(x));
  EXPECT_GT(largest, 0.01) << "nothing was computed";
  for (const GpuResults& rank : ranks) {
    expect_near(rank.o, one.o, "o");
    expect_near(rank.dq, one.dq, "dq");
    expect_near(rank.dk, one.dk, "dk");
  }
}

}  // namespace lvx::test
