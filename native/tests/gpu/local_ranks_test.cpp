// SPDX-License-Identifier: Apache-2.0
// Ranks of a local group on GPUs: several ranks on one GPU, and on several GPUs.
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <thread>
#include <vector>

#include "gpu/gpu_ranks.h"

namespace lvx::test {
namespace {

using testing::HasSubstr;

std::vector<GpuResults> run_ranks(const std::vector<int>& gpus, lvx_strategy strategy) {
  lvx_world world = 0;
  EXPECT_EQ(lvx_local_world_create(static_cast<int>(gpus.size()), nullptr, &world), LVX_OK);
  std::vector<GpuResults> results(gpus.size());
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

class GpuRanks : public testing::TestWithParam<lvx_strategy> {};

TEST_P(GpuRanks, ManyOnOneAndOnSeveralGpusGiveWhatOneGives) {
  const GpuResults one = run_ranks({0}, GetParam()).front();
  for (const std::vector<int>& gpus : {std::vector<int>{0, 0}, std::vector<int>{0, 1}}) {
    expect_alike(run_ranks(gpus, GetParam()), one);
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
