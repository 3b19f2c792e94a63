// SPDX-License-Identifier: Apache-2.0
// Where tests take the seeds of their random numbers from: LVX_SEED in the environment, a whole number. What is taken is
// printed, so that a failure can be had again (./lvx test PATTERN --seed N).
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>
#include <string>

namespace lvx::test {

inline std::optional<std::uint64_t> given_seed() {
  const char* given = std::getenv("LVX_SEED");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (given == nullptr) return std::nullopt;
  return std::stoull(given);
}

inline std::uint64_t say_seed(std::uint64_t seed) {
  std::cout << "LVX_SEED=" << seed << std::endl;
  return seed;
}

// A test's own seed, moved on by LVX_SEED: without it every run draws the same numbers.
inline std::uint64_t seeded(std::uint64_t own) {
  static const std::uint64_t moved = say_seed(given_seed().value_or(0));
  return own + moved;
}

// A campaign's first seed: LVX_SEED, or another one in each run.
inline std::uint64_t campaign_seed() {
  static const std::uint64_t seed = say_seed(given_seed() ? *given_seed() : std::random_device()());
  return seed;
}

}  // namespace lvx::test
