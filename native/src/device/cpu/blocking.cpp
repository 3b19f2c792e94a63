// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/blocking.h"

#include <unistd.h>

#include "device/cpu/unit.h"

namespace lvx {
namespace {

// The core's own cache; what most have where the system does not tell.
std::int64_t second_cache_bytes() {
  static const std::int64_t bytes = [] {
    std::int64_t told = 0;
#if defined(_SC_LEVEL2_CACHE_SIZE)
    told = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return told > 0 ? told : std::int64_t{1} << 20;
  }();
  return bytes;
}

// As many rows of head_dim elements as half of the second cache holds; the rest is for tiles on their way.
std::int64_t rows_in_cache(const Problem& problem, std::size_t bytes) {
  return second_cache_bytes() / 2 / (packed_dim(problem.head_dim) * static_cast<std::int64_t>(bytes));
}

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
    // Reading is shared evenly only if no thread is left with a large piece at the end; but each piece has a result of
    // its own to merge, and should have many keys for each row of that.
    constexpr std::int64_t kKeysForARow = 64;
    const std::int64_t most = problem.keys / (kKeysForARow * std::max<std::int64_t>(1, Unit::rows(problem)));
    const std::int64_t pieces = std::clamp<std::int64_t>(most, threads, std::int64_t{8} * threads);
    return {problem.keys, threads == 1 ? 1 : divide_up(pieces, std::max<std::int64_t>(1, problem.batch)),
            kDecodeKeys};
  }
  const std::int64_t tasks = Unit::count(problem) * blocking.rows.parts();
  return {problem.keys, pieces_wanted(std::max<std::int64_t>(1, tasks), threads), 4 * kTileKeys};
}

}  // namespace

std::int64_t block_rows(const Problem& problem, std::size_t bytes) {
  constexpr std::int64_t kMost = 10 * kPanelRows;
  return std::clamp(rows_in_cache(problem, bytes) / kPanelRows * kPanelRows, kPanelRows, kMost);
}

std::int64_t block_keys(const Problem& problem, std::size_t bytes) {
  return std::clamp(rows_in_cache(problem, bytes) / kTileKeys * kTileKeys, kTileKeys, kMaxBlockKeys);
}

bool key_gradients_exceed_cache(const Problem& problem, std::size_t element) {
  return 2 * problem.key_elements() * static_cast<std::int64_t>(element) > second_cache_bytes();
}

ForwardBlocking::ForwardBlocking(const Problem& problem, std::size_t bytes, int threads)
    : decode(is_decode(problem)),
      rows(Unit::rows(problem), divide_up(Unit::rows(problem), block_rows(problem, bytes)), kLanes),
      keys(forward_keys(problem, *this, threads)) {}

BackwardBlocking::BackwardBlocking(const Problem& problem, std::size_t bytes, int threads)
    : keys(problem.keys, pieces_wanted(std::max<std::int64_t>(1, Unit::count(problem)), threads),
           block_keys(problem, bytes)) {}

}  // namespace lvx
