// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/blocking.h"

#include <unistd.h>

#include "device/cpu/unit.h"

namespace lvx {
namespace {

// Bytes of a core's L2; a common size if the system does not report it.
std::int64_t l2_bytes() {
  static const std::int64_t bytes = [] {
    std::int64_t told = 0;
#if defined(_SC_LEVEL2_CACHE_SIZE)
    told = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return told > 0 ? told : std::int64_t{1} << 20;
  }();
  return bytes;
}

// The number of rows of head_dim elements that fit half of L2; the other half is for streamed tiles.
std::int64_t rows_in_cache(const ProblemShape& shape, std::size_t bytes) {
  return l2_bytes() / 2 / (packed_dim(shape.head_dim) * static_cast<std::int64_t>(bytes));
}

// Enough parts that threads idle only briefly while the last parts finish.
std::int64_t pieces_wanted(std::int64_t units, int threads) {
  if (threads == 1 || units % threads == 0) return 1;
  return divide_up(std::int64_t{8} * threads, units);
}

bool is_decode(const ProblemShape& shape) {
  constexpr std::int64_t kManyKeys = 512;  // fewer keys fit the cache together with their queries: no gain
  return Unit::rows(shape) <= kDecodeRows && shape.keys >= kManyKeys;
}

Split forward_keys(const ProblemShape& shape, const ForwardBlocking& blocking, int threads) {
  if (blocking.decode) {
    // Small parts balance the memory reads of the threads. But each part has a partial result to merge, so it should have
    // many keys per row.
    constexpr std::int64_t kKeysForARow = 64;
    const std::int64_t most = shape.keys / (kKeysForARow * std::max<std::int64_t>(1, Unit::rows(shape)));
    const std::int64_t pieces = std::clamp<std::int64_t>(most, threads, std::int64_t{8} * threads);
    return {shape.keys, threads == 1 ? 1 : divide_up(pieces, std::max<std::int64_t>(1, shape.batch)),
            kDecodeKeys};
  }
  const std::int64_t tasks = Unit::count(shape) * blocking.rows.parts();
  return {shape.keys, pieces_wanted(std::max<std::int64_t>(1, tasks), threads), 4 * kTileKeys};
}

}  // namespace

std::int64_t block_rows(const ProblemShape& shape, std::size_t bytes) {
  constexpr std::int64_t kMost = 10 * kPanelRows;
  return std::clamp(rows_in_cache(shape, bytes) / kPanelRows * kPanelRows, kPanelRows, kMost);
}

std::int64_t block_keys(const ProblemShape& shape, std::size_t bytes) {
  return std::clamp(rows_in_cache(shape, bytes) / kTileKeys * kTileKeys, kTileKeys, kMaxBlockKeys);
}

bool key_gradients_exceed_cache(const ProblemShape& shape, std::size_t element) {
  return 2 * shape.key_elements() * static_cast<std::int64_t>(element) > l2_bytes();
}

ForwardBlocking::ForwardBlocking(const ProblemShape& shape, std::size_t bytes, int threads)
    : decode(is_decode(shape)),
      rows(Unit::rows(shape), divide_up(Unit::rows(shape), block_rows(shape, bytes)), kLanes),
      keys(forward_keys(shape, *this, threads)) {}

BackwardBlocking::BackwardBlocking(const ProblemShape& shape, std::size_t bytes, int threads)
    : keys(shape.keys, pieces_wanted(std::max<std::int64_t>(1, Unit::count(shape)), threads),
           block_keys(shape, bytes)) {}

}  // namespace lvx
