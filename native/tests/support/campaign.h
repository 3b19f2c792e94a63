// SPDX-License-Identifier: Apache-2.0
// How much of a random campaign a run takes, and from which seed: all with LVX_LONG in the environment (./lvx test --long).
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace lvx::test {

inline bool whole_campaigns() {
  return std::getenv("LVX_LONG") != nullptr;  // NOLINT(concurrency-mt-unsafe): nobody sets it
}

// Of so many cases, a twentieth unless all are asked for.
inline int campaign_size(int whole) { return whole_campaigns() ? whole : (whole + 19) / 20; }

// LVX_SEED, or one that is new in each process. Printed with the command that repeats the test.
inline std::uint64_t campaign_seed() {
  static const std::uint64_t seed = [] {
    const char* given = std::getenv("LVX_SEED");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return given != nullptr ? std::stoull(given) : std::uint64_t{std::random_device()()};
  }();
  const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
  std::cout << (whole_campaigns() ? "The whole campaign"
                                  : "A twentieth of the campaign (all with LVX_LONG=1)")
            << "; to repeat it: " << (whole_campaigns() ? "LVX_LONG=1 " : "") << "LVX_SEED=" << seed
            << " lvx_tests --gtest_filter=" << test.test_suite_name() << '.' << test.name() << std::endl;
  return seed;
}

}  // namespace lvx::test
