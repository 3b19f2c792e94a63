// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/blocking.h"

#include "device/cpu/unit.h"

namespace lvx {
namespace {

// Enough pieces that the last ones to finish leave the other threads idle for a small part of the time only.
std::int64_t pieces_wanted(std::int64_t units, int threads) {
  if (threads == 1 || units % threads == 0) return 1;
  return divide_up(std::int64_t{8} * threads, units);
}

bool is_decode(const Problem& problem) {
  constexpr std::int64_t kManyKeys = 512;  // fewer fit the cache with their queries: nothing to win
  return Unit::rows(problem) <= kDecodeRows && problem.keys >= kManyKeys;
}

Split forward_keys(const Problem& problem, const ForwardBlocking& blocking, int threads) {
  if (blocking.decode) {
    // Reading is shared evenly only if no thread is left with a large piece at the end.
    const std::int64_t pieces = std::int64_t{8} * threads;
    return {problem.keys, threads == 1 ? 1 : divide_up(pieces, std::max<std::int64_t>(1, problem.batch)),
            4 * kDecodeKeys};
  }
  const std::int64_t tasks = Unit::count(problem) * blocking.rows.parts();
  return {problem.keys, pieces_wanted(std::max<std::int64_t>(1, tasks), threads), 4 * kTileKeys};
}

}  // namespace

ForwardBlocking::ForwardBlocking(const Problem& problem, int threads)
    : decode(is_decode(problem)),
      rows(Unit::rows(problem), divide_up(Unit::rows(problem), kBlockRows), kLanes),
      keys(forward_keys(problem, *this, threads)) {}

BackwardBlocking::BackwardBlocking(const Problem& problem, std::int64_t independent_units, int threads)
    : keys(problem.keys, pieces_wanted(std::max<std::int64_t>(1, independent_units), threads), kBlockKeys) {}

}  // namespace lvx
