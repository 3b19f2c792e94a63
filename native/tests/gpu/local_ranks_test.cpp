// SPDX-License-Identifier: Apache-2.0
// Ranks of a local group on GPUs: several on one, and on several.
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <cmath>
#include <thread>
#include <vector>

#include "gpu/gpu_tensor.h"

namespace lvx::test {
namespace {

using testing::HasSubstr;

constexpr int kKeys = 12;
constexpr int kWidth = 2 * 16;  // heads times headDim

lvx_device open_gpu(int ordinal) {
  lvx_cuda_options options{};
  options.struct_size = sizeof(options);
  options.ordinal = ordinal;
  lvx_device device = 0;
  EXPECT_EQ(lvx_device_open_cuda(&options, &device), LVX_OK) << error_now().message;
  return device;
}

lvx_attention_options options_with(lvx_strategy strategy) {
  lvx_attention_options options{};
  options.struct_size = sizeof(options);
  options.scale = 0.25;
  options.strategy = strategy;
  return options;
}

// Every rank has 3 queries and the same 12 keys as every other, so that each query sees the keys as often as there are
// ranks: o and the sum of dk are as with one, whatever went where.
struct Results {
  std::vector<double> o, dq, dk;
};

void run_rank(lvx_group group, lvx_device device, lvx_strategy strategy, Results& results) {
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

std::vector<Results> run_ranks(const std::vector<int>& gpus, lvx_strategy strategy) {
  lvx_world world = 0;
  EXPECT_EQ(lvx_local_world_create(static_cast<int>(gpus.size()), nullptr, &world), LVX_OK);
  std::vector<Results> results(gpus.size());
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < gpus.size(); ++rank) {
    threads.emplace_back([&, rank] {
      const lvx_device device = open_gpu(gpus[rank]);
      lvx_group group = 0;
      ASSERT_EQ(lvx_local_world_join(world, static_cast<int>(rank), device, &group), LVX_OK)
          << error_now().message;
      run_rank(group, device, strategy, results[rank]);
      EXPECT_EQ(lvx_group_close(group), LVX_OK) << error_now().message;
      EXPECT_EQ(lvx_device_close(device), LVX_OK) << error_now().message;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lvx_local_world_close(world), LVX_OK);
  return results;
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b, const char* what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i + 1 < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-12) << what << " at " << i;
}

class GpuRanks : public testing::TestWithParam<lvx_strategy> {};

TEST_P(GpuRanks, ManyOnOneAndOnSeveralGpusGiveWhatOneGives) {
  const Results one = run_ranks({0}, GetParam()).front();
  double largest = 0;
  for (const double x : one.o) largest = std::max(largest, std::abs(x));
  EXPECT_GT(largest, 0.01) << "nothing was computed";
  for (const std::vector<int>& gpus : {std::vector<int>{0, 0}, std::vector<int>{0, 1}}) {
    for (const Results& rank : run_ranks(gpus, GetParam())) {
      expect_near(rank.o, one.o, "o");
      expect_near(rank.dq, one.dq, "dq");
      expect_near(rank.dk, one.dk, "dk");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, GpuRanks,
                         testing::Values(LVX_QUERY_RING, LVX_QUERY_GATHER, LVX_KV_RING, LVX_KV_GATHER,
                                         LVX_HEAD_ALL_TO_ALL, LVX_TWO_LEVEL));

TEST(GpuRanksMistakes, DevicesAreOfOneKind) {
  lvx_world world = 0;
  ASSERT_EQ(lvx_local_world_create(2, nullptr, &world), LVX_OK);
  lvx_device cpu = 0;
  ASSERT_EQ(lvx_device_open_cpu(nullptr, &cpu), LVX_OK);
  const lvx_device gpu = open_gpu(0);
  lvx_group first = 0;
  lvx_group second = 0;
  ASSERT_EQ(lvx_local_world_join(world, 0, gpu, &first), LVX_OK);
  EXPECT_EQ(lvx_local_world_join(world, 1, cpu, &second), LVX_INVALID_ARGUMENT);
  EXPECT_THAT(error_now().message, HasSubstr("device: expected one of the same kind"));
  EXPECT_EQ(lvx_group_close(first), LVX_OK);
  EXPECT_EQ(lvx_local_world_close(world), LVX_OK);
  EXPECT_EQ(lvx_device_close(gpu), LVX_OK);
  EXPECT_EQ(lvx_device_close(cpu), LVX_OK);
}

TEST(GpuRanksMistakes, LinksAreNotEmulated) {
  lvx_group_options options{};
  options.struct_size = sizeof(options);
  options.intra_bytes_per_second = 1e9;
  lvx_world world = 0;
  ASSERT_EQ(lvx_local_world_create(1, &options, &world), LVX_OK);
  const lvx_device gpu = open_gpu(0);
  lvx_group group = 0;
  EXPECT_EQ(lvx_local_world_join(world, 0, gpu, &group), LVX_INVALID_ARGUMENT);
  EXPECT_THAT(error_now().message, HasSubstr("but in a local group of CPU devices"));
  EXPECT_EQ(lvx_local_world_close(world), LVX_OK);
  EXPECT_EQ(lvx_device_close(gpu), LVX_OK);
}

}  // namespace
}  // namespace lvx::test
