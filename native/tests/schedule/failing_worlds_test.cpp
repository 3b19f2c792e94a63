// SPDX-License-Identifier: Apache-2.0
// One rank fails at any point of a call. The peers' transfers must not access released memory, every rank must get an error
// that names the failed rank, and a new group must work.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "support/campaign.h"
#include "support/failing_world.h"
#include "support/gloo_ranks.h"
#include "support/nccl_ranks.h"

namespace lvx::test {
namespace {

// Its side streams and its memory are on the host.
class DeviceOfStreams final : public ForwardingDevice {
 public:
  explicit DeviceOfStreams(std::size_t budget) : ForwardingDevice(plain_device(budget)) {}
  lvx_device_kind kind() const override { return LVX_CUDA; }
  std::unique_ptr<SideStream> side_stream() override { return std::make_unique<HostSideStream>(); }
};

std::shared_ptr<Device> device_of_streams(std::size_t budget) {
  return std::make_shared<DeviceOfStreams>(budget);
}

constexpr std::size_t kComputations = 10;  // per problem
constexpr int kBudgets = 4;                // per problem

// For one problem after the other, one rank fails at each of its transfers (before, during or after start or wait), at some of
// its computations, at each of its allocations, and by running out of memory, until that many worlds have failed.
template <typename MakeWorld>
void run_campaign(int worlds, std::uint64_t seed, MakeWorld&& make_world) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
  };
  int failed = 0;
  while (failed < worlds) {
    const std::uint64_t problem = random() % 1'000'000;
    FailingWorld world = make_world(problem);
    SCOPED_TRACE("problem " + std::to_string(problem));
    world.rehearse();
    if (testing::Test::HasFatalFailure()) return;
    const int victim = static_cast<int>(below(static_cast<std::size_t>(world.ranks())));
    std::vector<Injection> injections;
    const auto inject = [&](int index, auto... steps) {
      const std::array any = {steps...};
      injections.push_back({any[below(any.size())], index, static_cast<Thrown>(below(3))});
    };
    for (int index = 0; index < world.steps(victim, Step::kCompute); ++index) inject(index, Step::kCompute);
    std::shuffle(injections.begin(), injections.end(), random);
    injections.resize(std::min(injections.size(), kComputations));
    for (int index = 0; index < world.steps(victim, Step::kStart); ++index) {
      inject(index, Step::kStart, Step::kHalfStart, Step::kStarted);
    }
    for (int index = 0; index < world.steps(victim, Step::kWait); ++index) {
      inject(index, Step::kWait, Step::kWaited);
    }
    for (int index = 0; index < world.steps(victim, Step::kAllocate); ++index) inject(index, Step::kAllocate);
    std::shuffle(injections.begin(), injections.end(), random);
    injections.resize(std::min(injections.size(), static_cast<std::size_t>(worlds - failed)));
    const std::size_t peak = world.peak_bytes(victim);
    for (const Injection& injection : injections) {
      SCOPED_TRACE("rank " + std::to_string(victim) + ", step " +
                   std::to_string(static_cast<int>(injection.step)) + ", index " +
                   std::to_string(injection.index) + ", thrown " +
                   std::to_string(static_cast<int>(injection.thrown)));
      world.fail_at(victim, injection);
      ++failed;
      if (testing::Test::HasFailure()) return;
    }
    for (int i = 0; i < kBudgets && peak > 1; ++i) {
      SCOPED_TRACE("rank " + std::to_string(victim) + " holds " + std::to_string(peak) + " bytes");
      world.fail_for_memory(victim, 1 + below(peak - 1));
      ++failed;
      if (testing::Test::HasFailure()) return;
    }
    world.rehearse();  // a new group of the same ranks
    if (testing::Test::HasFailure()) return;
  }
}

class FailingWorldsCampaign : public testing::TestWithParam<Movement> {};

TEST_P(FailingWorldsCampaign, ReleasedMemoryStaysUntouched) {
  run_campaign(campaign_size(2000), campaign_seed(), [](std::uint64_t problem) {
    return FailingWorld(run_ranks, GetParam().job(problem), plain_device);
  });
}

// Copies on side streams are asynchronous: they end after the call that started them returns.
TEST_P(FailingWorldsCampaign, ReleasedMemoryStaysUntouchedByStreams) {
  run_campaign(campaign_size(400), campaign_seed(), [](std::uint64_t problem) {
    return FailingWorld(run_ranks, GetParam().job(problem), device_of_streams);
  });
}

TEST_P(FailingWorldsCampaign, ReleasedMemoryStaysUntouchedOverEmulatedLinks) {
  const Links links{{1e9, 1e-5}, {1e8, 1e-4}, true, true};
  run_campaign(campaign_size(400), campaign_seed(), [&](std::uint64_t problem) {
    return FailingWorld(run_ranks, GetParam().job(problem), plain_device, links);
  });
}

INSTANTIATE_TEST_SUITE_P(Movements, FailingWorldsCampaign, testing::ValuesIn(movements()),
                         [](const auto& parameter) { return parameter.param.name; });

// One strategy after the other, beginning with one that the seed chooses.
TEST(FailingTcpGroupsCampaign, ReleasedMemoryStaysUntouched) {
  const std::uint64_t seed = campaign_seed();
  constexpr int kGroups = 25;  // per strategy
  std::uint64_t round = 0;
  for (int left = campaign_size(200); left > 0; left -= kGroups, ++round) {
    const Movement& movement = movements()[(seed + round) % movements().size()];
    SCOPED_TRACE(movement.name);
    run_campaign(std::min(left, kGroups), seed + round, [&](std::uint64_t problem) {
      return FailingWorld(
          [](int size, const GroupOptions& options, const RankBody& body, const RankParts& parts) {
            return run_gloo_ranks(size, options, body, true, parts);
          },
          movement.job(problem), plain_device);
    });
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace lvx::test
