// SPDX-License-Identifier: Apache-2.0
// Like failing_worlds_test.cpp, but ranks are processes: mpirun starts this binary for each rank, and one rank fails.
#include <gtest/gtest.h>

#include <iostream>
#include <sstream>

#include "group/plugin.h"
#include "support/campaign.h"
#include "support/failing_world.h"
#include "support/mpi_jobs.h"

#if LVX_HAS_MPI
namespace lvx::test {
namespace {

constexpr double kTimeoutSeconds = 30;
constexpr int kSmallMessage = 2200;  // smaller than some messages of most problems

struct MpiJob {
  std::size_t movement = 0;
  std::uint64_t problem = 0;
  int victim = 0;
  Injection injection;

  std::string text() const {
    std::ostringstream out;
    out << movement << ' ' << problem << ' ' << victim << ' ' << static_cast<int>(injection.step) << ' '
        << injection.index << ' ' << static_cast<int>(injection.thrown);
    return out.str();
  }
  static MpiJob of(const std::string& text) {
    std::istringstream in(text);
    MpiJob job;
    int step = 0, thrown = 0;
    in >> job.movement >> job.problem >> job.victim >> step >> job.injection.index >> thrown;
    job.injection.step = static_cast<Step>(step);
    job.injection.thrown = static_cast<Thrown>(thrown);
    return job;
  }
};

// Run only by mpirun, as one rank.
TEST(FailingMpiRank, DISABLED_EndsAsItShould) {
  const MpiJob mpi = MpiJob::of(told_to_rank());
  HangWatch& watch = HangWatch::instance();
  const Job job = movements()[mpi.movement].job(mpi.problem);
  Quarantine quarantine;
  watch.is("joining");
  std::unique_ptr<Transport> transport = join_mpi(kTimeoutSeconds);
  ASSERT_EQ(transport->size(), job.ranks);
  const bool fails = transport->rank() == mpi.victim;
  const auto fuse = std::make_shared<Fuse>(fails ? mpi.injection : Injection{});
  const auto device = std::make_shared<FailingDevice>(plain_device(0), quarantine, fuse);
  std::exception_ptr thrown;
  {
    GroupOptions options;
    options.timeout_seconds = kTimeoutSeconds;
    options.ranks_per_node = 2;
    Group group(std::make_unique<FailingTransport>(std::move(transport), fuse), device, options);
    watch.is("in its group", &group.recorder());
    try {
      job.body(group);
      group.barrier();
    } catch (...) {
      thrown = std::current_exception();
    }
    watch.is("closing its group");
  }
  watch.is("ending");
  EXPECT_EQ(quarantine.spoilt(), 0) << "blocks were written after their release";
  EXPECT_TRUE(thrown);
  EXPECT_EQ(fuse->blown(), fails);
  if (fails) return;
  EXPECT_EQ(error_of(thrown).status(), LVX_PEER_LOST) << error_of(thrown).what();
  EXPECT_EQ(error_of(thrown).peer(), mpi.victim) << error_of(thrown).what();
}

TEST(FailingMpiJobsCampaign, ReleasedMemoryStaysUntouched) {
  if (!has_mpirun()) GTEST_SKIP() << "mpirun is not on the PATH";
  std::mt19937_64 random(campaign_seed());
  const auto below = [&](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most - 1)(random);
  };
  const int jobs = campaign_size(20);
  for (int i = 1; i <= jobs; ++i) {
    MpiJob job;
    job.movement = below(movements().size());
    job.problem = below(1'000'000);
    // A rank's steps are the same over every transport.
    FailingWorld world([](auto&&... arguments) { return run_ranks(arguments...); },
                       movements()[job.movement].job(job.problem), plain_device);
    world.rehearse();
    job.victim = static_cast<int>(below(static_cast<std::size_t>(world.ranks())));
    do {
      job.injection = {static_cast<Step>(below(kSteps)), 0, static_cast<Thrown>(below(3))};
    } while (world.steps(job.victim, job.injection.step) == 0);
    job.injection.index =
        static_cast<int>(below(static_cast<std::size_t>(world.steps(job.victim, job.injection.step))));
    SCOPED_TRACE(job.text());
    std::cout << "job " << i << " of " << jobs << ": " << movements()[job.movement].name << " over "
              << world.ranks() << " ranks (" << job.text() << "): " << std::flush;
    const Stopwatch watch;
    const std::string output = run_job(world.ranks(), job.text(), "FailingMpiRank.DISABLED_EndsAsItShould",
                                       below(2) == 0 ? "" : eager_limit(kSmallMessage));
    const double seconds = watch.seconds();
    std::cout << seconds << " s" << std::endl;
    expect_all_passed(output, world.ranks());
    EXPECT_LT(seconds, kTimeoutSeconds) << "some rank waited for a timeout\n" << output;
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace lvx::test
#endif
