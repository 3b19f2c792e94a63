// SPDX-License-Identifier: Apache-2.0
#include "abi/group_options.h"

#include <string>

#include "abi/structs.h"

namespace lvx {
namespace {

// Thirty years: longer than anyone waits, and short enough to be added to a clock.
constexpr double kLongestDeadline = 1e9;
constexpr std::int32_t kMostRanks = 4096;

}  // namespace

void require_deadline(double seconds, const char* name) {
  if (!(seconds > 0 && seconds <= kLongestDeadline)) {
    throw Error(
        LVX_INVALID_ARGUMENT,
        std::string(name) + ": expected more than 0 and at most 1e9 seconds, got " + std::to_string(seconds));
  }
}

GroupOptions read_group_options(const lvx_group_options* options) {
  const lvx_group_options read = read_optional_options(options, "options");
  GroupOptions wanted;
  if (read.deadline_seconds != 0) {
    require_deadline(read.deadline_seconds, "options.deadline_seconds");
    wanted.deadline_seconds = read.deadline_seconds;
  }
  if (read.ranks_per_node < 0) {
    throw Error(LVX_INVALID_ARGUMENT, "options.ranks_per_node: expected 0 (one node) or more, got " +
                                          std::to_string(read.ranks_per_node));
  }
  wanted.ranks_per_node = read.ranks_per_node;
  if (read.recorder_entries < 0 || read.recorder_entries > kMostRecorderEntries) {
    throw Error(LVX_INVALID_ARGUMENT, "options.recorder_entries: expected 0 (the default) to " +
                                          std::to_string(kMostRecorderEntries) + ", got " +
                                          std::to_string(read.recorder_entries));
  }
  if (read.recorder_entries > 0) wanted.recorder_entries = read.recorder_entries;
  return wanted;
}

void require_size(std::int32_t size) {
  if (size < 1 || size > kMostRanks) {
    throw Error(LVX_INVALID_ARGUMENT,
                "size: expected 1 to " + std::to_string(kMostRanks) + " ranks, got " + std::to_string(size));
  }
}

void require_rank(std::int32_t rank, int size) {
  if (rank < 0 || rank >= size) {
    throw Error(LVX_INVALID_ARGUMENT,
                "rank: expected 0 to " + std::to_string(size - 1) + ", got " + std::to_string(rank));
  }
}

}  // namespace lvx
