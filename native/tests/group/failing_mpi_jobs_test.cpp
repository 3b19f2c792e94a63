// SPDX-License-Identifier: Apache-2.0
// As failing_worlds_test.cpp, with processes that mpirun starts: this binary again, in which one rank fails.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "group/plugin.h"
#include "support/campaign.h"
#include "support/failing_world.h"

#if LVX_HAS_MPI
namespace lvx::test {
namespace {

constexpr const char* kJob = "LVX_TEST_MPI_JOB";

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

// What a command printed, on both of its outputs.
std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::array<char, 4096> part{};
  while (const std::size_t read = std::fread(part.data(), 1, part.size(), pipe))
    text.append(part.data(), read);
  pclose(pipe);
  return text;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

// Run by mpirun alone, as one rank.
TEST(FailingMpiRank, DISABLED_EndsAsItShould) {
  const char* told = std::getenv(kJob);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  ASSERT_NE(told, nullptr);
  const MpiJob mpi = MpiJob::of(told);
  const Job job = movements()[mpi.movement].job(mpi.problem);
  Quarantine quarantine;
  std::unique_ptr<Transport> transport = join_mpi(30);
  ASSERT_EQ(transport->size(), job.ranks);
  const bool fails = transport->rank() == mpi.victim;
  const auto fuse = std::make_shared<Fuse>(fails ? mpi.injection : Injection{});
  const auto device = std::make_shared<FailingDevice>(plain_device(0), quarantine, fuse);
  std::exception_ptr thrown;
  {
    GroupOptions options;
    options.timeout_seconds = 30;
    options.ranks_per_node = 2;
    Group group(std::make_unique<FailingTransport>(std::move(transport), fuse), device, options);
    try {
      job.body(group);
      group.barrier();
    } catch (...) {
      thrown = std::current_exception();
    }
  }
  EXPECT_EQ(quarantine.spoilt(), 0) << "blocks were written after their release";
  EXPECT_TRUE(thrown);
  EXPECT_EQ(fuse->blown(), fails);
  if (fails) return;
  EXPECT_EQ(error_of(thrown).status(), LVX_PEER_LOST) << error_of(thrown).what();
  EXPECT_EQ(error_of(thrown).peer(), mpi.victim) << error_of(thrown).what();
}

TEST(FailingMpiJobsCampaign, ReleasedMemoryStaysUntouched) {
  if (std::system("mpirun --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "mpirun is not on the PATH";
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::mt19937_64 random(campaign_seed());
  const auto below = [&](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most - 1)(random);
  };
  for (int i = campaign_size(20); i > 0; --i) {
    MpiJob job;
    job.movement = below(movements().size());
    job.problem = below(1'000'000);
    // Steps are the same over any transport.
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
    const std::string ranks = std::to_string(world.ranks());
    const std::string output = output_of(std::string(kJob) + "='" + job.text() +
                                         "' mpirun --enable-recovery --allow-run-as-root --oversubscribe "
                                         "--bind-to none -x " +
                                         kJob + " -n " + ranks + ' ' + self +
                                         " --gtest_color=no --gtest_also_run_disabled_tests "
                                         "--gtest_filter=FailingMpiRank.DISABLED_EndsAsItShould");
    ASSERT_EQ(count(output, "[  PASSED  ] 1 test"), static_cast<std::size_t>(world.ranks())) << output;
  }
}

}  // namespace
}  // namespace lvx::test
#endif
