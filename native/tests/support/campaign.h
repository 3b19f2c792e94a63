// SPDX-License-Identifier: Apache-2.0
// How much of a random campaign a run takes: all with LVX_LONG in the environment (./lvx test --long). Its seed is in seed.h.
#pragma once

#include <cstdlib>

#include "support/seed.h"

namespace lvx::test {

inline bool whole_campaigns() {
  return std::getenv("LVX_LONG") != nullptr;  // NOLINT(concurrency-mt-unsafe): nobody sets it
}

// Of so many cases, a twentieth unless all are asked for.
inline int campaign_size(int whole) { return whole_campaigns() ? whole : (whole + 19) / 20; }

}  // namespace lvx::test
