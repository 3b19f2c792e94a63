// SPDX-License-Identifier: Apache-2.0
// The length of random campaigns: complete with LVX_LONG in the environment (./lvx test --long). Seeds are in seed.h.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "support/seed.h"

namespace lvx::test {

inline bool whole_campaigns() {
  return std::getenv("LVX_LONG") != nullptr;  // NOLINT(concurrency-mt-unsafe): nobody sets it
}

// The number of cases to run: a twentieth of all, unless LVX_LONG is set.
inline int campaign_size(int whole) { return whole_campaigns() ? whole : (whole + 19) / 20; }

// Sanitizers are many times slower and check the same code in each problem, so only release builds compute all problems.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// The number of random problems to run, out of those that are the same in each run: a fifth with sanitizers.
inline std::uint64_t sample_size(std::uint64_t all) {
  return kSanitized && !whole_campaigns() ? (all + 4) / 5 : all;
}

// The number of terms of a long sum: a sixteenth with sanitizers.
inline std::int64_t sum_length(std::int64_t all, std::int64_t part) {
  if (whole_campaigns()) return all;
  return kSanitized ? part / 16 : part;
}

}  // namespace lvx::test
