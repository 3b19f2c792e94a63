// SPDX-License-Identifier: Apache-2.0
// One rank fails, anywhere in a call: peers' transfers touch nothing that was released, every rank gets an error that
// names the one that failed, and a new group computes.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/campaign.h"
#include "support/failing_world.h"
#include "support/gloo_ranks.h"
#include "support/nccl_ranks.h"

namespace lvx::test {
namespace {

// Its side streams are the host's, its memory too.
class DeviceOfStreams final : public ForwardingDevice {
 public:
  explicit DeviceOfStreams(std::size_t budget) : ForwardingDevice(plain_device(budget)) {}
  lvx_device_kind kind() const override { return LVX_CUDA; }
  std::unique_ptr<SideStream> side_stream() override { return std::make_unique<HostSideStream>(); }
};

std::shared_ptr<Device> device_of_streams(std::size_t budget) {
  return std::make_shared<DeviceOfStreams>(budget);
}

// Problem by problem: a failure of one rank at each of its transfers, at some of its computations and allocations, and
// for want of memory, until so many worlds have failed.
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
    const auto thrown = [&] { return static_cast<Thrown>(below(3)); };
    for (const Step step :
         {Step::kStart, Step::kHalfStart, Step::kStarted, Step::kWait, Step::kWaited, Step::kCompute}) {
      const int steps = world.steps(victim, step);
      for (int index = 0; index < steps; ++index) injections.push_back({step, index, thrown()});
    }
    std::shuffle(injections.begin(), injections.end(), random);
    // No problem takes all worlds.
    injections.resize(
        std::min({injections.size(), std::size_t{40}, static_cast<std::size_t>(worlds - failed)}));
    for (int index = 0; index < world.steps(victim, Step::kAllocate); ++index) {
      injections.push_back({Step::kAllocate, index, thrown()});
    }
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
    for (int i = 0; i < 4 && peak > 1; ++i) {
      SCOPED_TRACE("rank " + std::to_string(victim) + " holds " + std::to_string(peak) + " bytes");
      world.fail_for_memory(victim, 1 + below(peak - 1));
      ++failed;
      if (testing::Test::HasFailure()) return;
    }
    world.rehearse();  // a new group of the same
    if (testing::Test::HasFailure()) return;
  }
}

class FailingWorldsCampaign : public testing::TestWithParam<Movement> {};

TEST_P(FailingWorldsCampaign, ReleasedMemoryStaysUntouched) {
  run_campaign(campaign_size(2000), campaign_seed(), [](std::uint64_t problem) {
    return FailingWorld(run_ranks, GetParam().job(problem), plain_device);
  });
}

// Copies on side streams end later than whoever started them thinks.
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

#if LVX_HAS_GLOO
TEST(FailingGlooGroupsCampaign, ReleasedMemoryStaysUntouched) {
  std::size_t next = 0;
  int left = campaign_size(200);
  for (std::uint64_t round = 0; left > 0; ++round, left -= 10) {
    const Movement& movement = movements()[next++ % movements().size()];
    SCOPED_TRACE(movement.name);
    run_campaign(std::min(left, 10), campaign_seed() + round, [&](std::uint64_t problem) {
      return FailingWorld(
          [](int size, const GroupOptions& options, const RankBody& body, const RankParts& parts) {
            return run_gloo_ranks(size, options, body, true, parts);
          },
          movement.job(problem), plain_device);
    });
    if (HasFailure()) return;
  }
}
#endif

}  // namespace
}  // namespace lvx::test
