// SPDX-License-Identifier: Apache-2.0
// Ranks of an NCCL group on GPUs. The stand-in for NCCL enqueues transfers on streams of the stand-in for CUDA, and accesses the
// memory of its GPUs.
#include "support/nccl_ranks.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include "gpu/gpu_ranks.h"
#include "standin/gpu_transfers.h"

namespace lvx::test {
namespace {

using std::chrono::seconds;
using Id = std::array<std::uint8_t, LVX_NCCL_ID_BYTES>;

// Connects the two stand-ins.
void join_standins() {
  live_communicators();                              // makes the library find the stand-in
  EXPECT_EQ(lvx_device_close(open_gpu(0)), LVX_OK);  // the plugin is loaded
  void* cuda = dlopen(LVX_CUDA_STANDIN, RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(cuda, nullptr) << dlerror();
  const auto transfers =
      reinterpret_cast<const GpuTransfers* (*)()>(dlsym(cuda, "lvx_cuda_standin_transfers"));
  ASSERT_NE(transfers, nullptr) << dlerror();
  standin_function<void(const GpuTransfers*)>("lvx_nccl_standin_gpus")(transfers());
}

// One rank on each of these GPUs. Each rank calls compute(group, device, rank).
template <typename Compute>
void run_group(const std::vector<int>& gpus, double timeout, const Compute& compute) {
  Id id{};
  ASSERT_EQ(lvx_nccl_new_id(id.data()), LVX_OK) << error_now().message;
  lvx_group_options options{};
  options.struct_size = sizeof(options);
  options.timeout_seconds = timeout;
  const auto size = static_cast<int>(gpus.size());
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      const lvx_device device = open_gpu(gpus[static_cast<std::size_t>(rank)]);
      lvx_group group = 0;
      ASSERT_EQ(lvx_group_create_nccl(device, rank, size, id.data(), "127.0.0.1", &options, &group), LVX_OK)
          << error_now().message;
      compute(group, device, rank);
      EXPECT_EQ(lvx_group_close(group), LVX_OK) << error_now().message;
      EXPECT_EQ(lvx_device_close(device), LVX_OK) << error_now().message;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(live_communicators(), 0);
}

std::vector<GpuResults> run_ranks(const std::vector<int>& gpus, lvx_strategy strategy) {
  std::vector<GpuResults> results(gpus.size());
  run_group(gpus, 60, [&](lvx_group group, lvx_device device, int rank) {
    run_rank(group, device, strategy, results[static_cast<std::size_t>(rank)]);
  });
  return results;
}

class NcclGpuRanks : public testing::TestWithParam<lvx_strategy> {
 protected:
  static void SetUpTestSuite() { join_standins(); }
};

TEST_P(NcclGpuRanks, ManyOnOneAndOnSeveralGpusGiveWhatOneGives) {
  const GpuResults one = run_ranks({0}, GetParam()).front();
  for (const std::vector<int>& gpus : {std::vector<int>{0, 0}, std::vector<int>{1, 0}}) {
    expect_alike(run_ranks(gpus, GetParam()), one);
  }
  if (GetParam() == LVX_HEAD_ALL_TO_ALL) return;  // there are two heads
  expect_alike(run_ranks({0, 1, 2}, GetParam()), one);
}

INSTANTIATE_TEST_SUITE_P(Strategies, NcclGpuRanks,
                         testing::Values(LVX_QUERY_RING, LVX_QUERY_GATHER, LVX_KV_RING, LVX_KV_GATHER,
                                         LVX_HEAD_ALL_TO_ALL, LVX_TWO_LEVEL));

class NcclGpuFaults : public testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() { join_standins(); }
};

// Every rank gets an error in time, and its GPU serves a new group.
TEST_P(NcclGpuFaults, EndEveryRankAndLeaveTheGpusUsable) {
  constexpr double kTimeout = 1.5;
  std::array<lvx_status, 3> statuses{};
  {
    const InjectedFault injected(GetParam());
    const auto begin = std::chrono::steady_clock::now();
    run_group({0, 1, 1}, kTimeout, [&](lvx_group group, lvx_device device, int rank) {
      GpuTensor q(device, DType::kFloat64, {1, 3, 2, 16});
      GpuTensor k(device, DType::kFloat64, {1, kKeys, 2, 16});
      GpuTensor o(device, DType::kFloat64, {1, 3, 2, 16});
      GpuTensor lse(device, DType::kFloat64, {1, 2, 3});
      q.fill(1);
      k.fill(2);
      const lvx_attention_options options = options_with(LVX_QUERY_RING);
      lvx_status& status = statuses[static_cast<std::size_t>(rank)];
      for (int call = 0; call < 10 && status == LVX_OK; ++call) {
        status = lvx_attention_forward(group, &options, q, k, k, nullptr, nullptr, o, lse, nullptr);
      }
    });
    EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(30)) << "the default is 60 s";
  }
  for (const lvx_status status : statuses) {
    EXPECT_THAT(status, testing::AnyOf(LVX_PEER_LOST, LVX_TIMEOUT, LVX_INTERNAL, LVX_DEVICE_ERROR));
  }
  const GpuResults one = run_ranks({0}, LVX_QUERY_RING).front();
  expect_alike(run_ranks({0, 1, 1}, LVX_QUERY_RING), one);
}

// standin/fault.h describes the faults.
INSTANTIATE_TEST_SUITE_P(Kinds, NcclGpuFaults,
                         testing::Values("ncclGroupEnd:1:3:2", "async:1:3:3", "lost:1:4:0", "stall:1:4:0"));

}  // namespace
}  // namespace lvx::test
