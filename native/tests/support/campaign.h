// SPDX-License-Identifier: Apache-2.0
// How much of a random campaign a run takes, and from which seed: all with LVX_LONG in the environment (./lvx test --long).
#pragma once

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

// LVX_SEED, or one of the day; printed, so that a failure can be had again.
inline std::uint64_t campaign_seed() {
  static const std::uint64_t seed = [] {
    const char* given = std::getenv("LVX_SEED");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    const std::uint64_t value = given != nullptr ? std::stoull(given) : std::random_device()();
    std::cout << "LVX_SEED=" << value << '\n';
    return value;
  }();
  return seed;
}

}  // namespace lvx::test
