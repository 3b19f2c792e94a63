// SPDX-License-Identifier: Apache-2.0
// Ranks over MPI that leave at different times.
#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

#include "group/plugin.h"
#include "support/mpi_jobs.h"

#if LVX_HAS_MPI
namespace lvx::test {
namespace {

constexpr double kTimeoutSeconds = 60;
constexpr double kSoonSeconds = 30;
// So large that MPI does not buffer it: the receiver reads it from the sender's memory.
constexpr std::size_t kLarge = std::size_t{32} << 20;

// Run only by mpirun, as one of two ranks. Rank 0 leaves while its message, which MPI cannot cancel, waits for rank 1. Rank 1
// computes for a while, sends another message, and leaves, too.
TEST(MpiRank, DISABLED_LeavesSoonAfterItsReader) {
  told_to_rank();
  HangWatch& watch = HangWatch::instance();
  std::vector<std::byte> data(kLarge);
  const std::array<std::byte, 8> word{};
  watch.is("joining");
  const std::unique_ptr<Transport> transport = join_mpi(kTimeoutSeconds);
  ASSERT_EQ(transport->size(), 2);
  if (transport->rank() == 0) {
    const std::array out = {send_to(1, data.data(), data.size())};
    transport->start(out);
  } else {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    transport->publish(0, word);
    transport->publish(1, word);
  }
  watch.is("leaving");
  const Stopwatch leaving;
  transport->leave(0, "a failure");
  EXPECT_LT(leaving.seconds(), kSoonSeconds) << "rank " << transport->rank();
  watch.is("ending");
}

TEST(Mpi, RanksLeaveSoonAfterTheirReaders) {
  if (!has_mpirun()) GTEST_SKIP() << "mpirun is not on the PATH";
  const Stopwatch job;
  expect_all_passed(run_job(2, "", "MpiRank.DISABLED_LeavesSoonAfterItsReader"), 2);
  EXPECT_LT(job.seconds(), kSoonSeconds) << "the whole job, to the end of its processes";
}

}  // namespace
}  // namespace lvx::test
#endif
