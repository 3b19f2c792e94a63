// SPDX-License-Identifier: Apache-2.0
// The seeds of random tests: LVX_SEED in the environment, an integer. The seed in use is printed, so that a failure can be
// reproduced (./lvx test PATTERN --seed N).
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>

namespace lvx::test {

inline std::optional<std::uint64_t> given_seed() {
  const char* given = std::getenv("LVX_SEED");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (given == nullptr) return std::nullopt;
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(given, given + std::strlen(given), seed);
  if (error != std::errc() || *end != '\0') {
    throw std::invalid_argument("LVX_SEED is '" + std::string(given) + "', expected a whole number");
  }
  return seed;
}

inline std::uint64_t say_seed(std::uint64_t seed) {
  std::cout << "LVX_SEED=" << seed << std::endl;
  return seed;
}

// A test's own seed plus LVX_SEED. Without LVX_SEED, every run draws the same numbers.
inline std::uint64_t seeded(std::uint64_t own) {
  static const std::uint64_t moved = say_seed(given_seed().value_or(0));
  return own + moved;
}

// A campaign's first seed: LVX_SEED, or a different one in each run.
inline std::uint64_t campaign_seed() {
  static const std::uint64_t seed = say_seed(given_seed() ? *given_seed() : std::random_device()());
  return seed;
}

}  // namespace lvx::test
