// SPDX-License-Identifier: Apache-2.0
// Tests whose ranks are processes: mpirun starts this binary for each rank, with one test that is disabled otherwise.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "group/transport.h"
#include "support/hang_watch.h"

namespace lvx::test {

constexpr const char* kMpiJob = "LVX_TEST_MPI_JOB";

// A job takes some seconds. A rank that exceeds its time limit reports what it waits for; mpirun then ends the remaining ranks.
constexpr std::chrono::seconds kRankLimit{100};
constexpr std::chrono::seconds kJobLimit{120};

// What a command printed to stdout and stderr.
inline std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::array<char, 4096> part{};
  while (const std::size_t read = std::fread(part.data(), 1, part.size(), pipe))
    text.append(part.data(), read);
  pclose(pipe);
  return text;
}

inline std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

// Makes ranks of one node read messages larger than this directly from the sender's memory, as they read large messages. Must be
// larger than a Frame.
inline std::string eager_limit(int bytes) {
  return "--mca btl_vader_eager_limit " + std::to_string(bytes) + ' ';
}

// Runs a test of this binary in that many processes. Returns what they printed.
inline std::string run_job(int ranks, const std::string& told, const std::string& test,
                           const std::string& options = {}) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  return output_of(
      std::string(kMpiJob) + "='" + told +
      "' mpirun --enable-recovery --allow-run-as-root --oversubscribe --bind-to none --timeout " +
      std::to_string(kJobLimit.count()) + ' ' + options + "-x " + kMpiJob + " -n " + std::to_string(ranks) +
      ' ' + self + " --gtest_color=no --gtest_also_run_disabled_tests --gtest_filter=" + test);
}

inline void expect_all_passed(const std::string& output, int ranks) {
  EXPECT_EQ(count(output, "[  PASSED  ] 1 test"), static_cast<std::size_t>(ranks)) << output;
}

inline bool has_mpirun() { return std::system("mpirun --version > /dev/null 2>&1") == 0; }

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

 private:
  const Clock::time_point begin_ = Clock::now();
};

// The rank's job. Starts its time limit.
inline const char* told_to_rank() {
  HangWatch::instance().begin(kRankLimit);
  const char* job = std::getenv(kMpiJob);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return job == nullptr ? "" : job;
}

}  // namespace lvx::test
