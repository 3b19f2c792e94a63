// SPDX-License-Identifier: Apache-2.0
// How much of a random campaign a run takes: all with LVX_LONG in the environment (./lvx test --long). Its seed is in seed.h.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "support/seed.h"

namespace lvx::test {

inline bool whole_campaigns() {
  return std::getenv("LVX_LONG") != nullptr;  // NOLINT(concurrency-mt-unsafe): nobody sets it
}

// Of so many cases, a twentieth unless all are asked for.
inline int campaign_size(int whole) { return whole_campaigns() ? whole : (whole + 19) / 20; }

// Sanitizers are many times slower, and watch the same code in each problem; release builds compute them all.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Of so many random problems that are the same in each run: a fifth where a sanitizer watches.
inline std::uint64_t sample_size(std::uint64_t all) {
  return kSanitized && !whole_campaigns() ? (all + 4) / 5 : all;
}

// How many terms a long sum has: a sixteenth where a sanitizer watches.
inline std::int64_t sum_length(std::int64_t all, std::int64_t part) {
  if (whole_campaigns()) return all;
  return kSanitized ? part / 16 : part;
}

}  // namespace lvx::test
