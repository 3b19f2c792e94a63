// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/blocking.h"

namespace lvx {
namespace {

// Enough pieces that the last ones to finish leave the other threads idle for a small part of the time only.
std::int64_t pieces_wanted(std::int64_t units, int threads) {
  if (threads == 1 || units % threads == 0) return 1;
  return divide_up(std::int64_t{8} * threads, units);
}

}  // namespace

ForwardBlocking::ForwardBlocking(const Problem& problem, std::int64_t units, std::int64_t unit_rows,
                                 int threads)
    : rows(split(unit_rows, divide_up(unit_rows, kBlockRows), kLanes)),
      keys(split(problem.keys, pieces_wanted(std::max<std::int64_t>(1, units * rows.parts), threads),
                 4 * kTileKeys)) {}

BackwardBlocking::BackwardBlocking(const Problem& problem, std::int64_t independent_units, int threads)
    : keys(split(problem.keys, pieces_wanted(std::max<std::int64_t>(1, independent_units), threads),
                 kBlockKeys)) {}

}  // namespace lvx
