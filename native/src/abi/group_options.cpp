// SPDX-License-Identifier: Apache-2.0
#include "abi/group_options.h"

#include <cstring>
#include <string>

#include "abi/structs.h"

namespace lvx {
namespace {

// Thirty years: effectively unlimited, and it can be added to a clock without overflow.
constexpr double kLongestTimeout = 1e9;
constexpr std::int32_t kMostRanks = 4096;
// The longest DNS name, plus brackets and a scope.
constexpr std::size_t kLongestHost = 300;

void require_link_number(double value, const char* name) {
  if (!(value >= 0 && value <= 1e18)) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, name,
                        "expected 0 (not emulated) to 1e18, got " + std::to_string(value));
  }
}

// A text of the caller's, which is not printed: it may be a secret.
std::string read_text(const char* text, std::size_t most, const char* name) {
  const std::size_t length = ::strnlen(text, most + 1);
  if (length < 1 || length > most) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, name,
                        "expected a text of 1 to " + std::to_string(most) + " bytes, got " +
                            (length < 1 ? "an empty one" : "a longer one"));
  }
  return std::string(text, length);
}

void require_flag(std::int32_t value, const char* name) {
  if (value != 0 && value != 1) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, name, "expected 0 or 1, got " + std::to_string(value));
  }
}

}  // namespace

void require_timeout(double seconds, const char* name) {
  if (!(seconds > 0 && seconds <= kLongestTimeout)) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, name,
                        "expected more than 0 and at most 1e9 seconds, got " + std::to_string(seconds));
  }
}

JoinOptions read_join_options(const lvx_group_options* options, const char* host) {
  const lvx_group_options read = read_optional_options(options, "options");
  JoinOptions wanted;
  wanted.timeout_seconds = read_group_options(options).timeout_seconds;
  if (host != nullptr) wanted.host = read_text(host, kLongestHost, "host");
  if (read.secret != nullptr) wanted.secret = read_text(read.secret, LVX_SECRET_BYTES, "options.secret");
  wanted.checksums = read.without_checksums == 0;
  return wanted;
}

GroupOptions read_group_options(const lvx_group_options* options) {
  const lvx_group_options read = read_optional_options(options, "options");
  GroupOptions wanted;
  if (read.timeout_seconds != 0) {
    require_timeout(read.timeout_seconds, "options.timeout_seconds");
    wanted.timeout_seconds = read.timeout_seconds;
  }
  if (read.ranks_per_node < 0) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "options.ranks_per_node",
                        "expected 0 (one node) or more, got " + std::to_string(read.ranks_per_node));
  }
  wanted.ranks_per_node = read.ranks_per_node;
  if (read.recorder_entries < 0 || read.recorder_entries > kMostRecorderEntries) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "options.recorder_entries",
                        "expected 0 (the default) to " + std::to_string(kMostRecorderEntries) + ", got " +
                            std::to_string(read.recorder_entries));
  }
  if (read.recorder_entries > 0) wanted.recorder_entries = read.recorder_entries;
  require_link_number(read.intra_bytes_per_second, "options.intra_bytes_per_second");
  require_link_number(read.intra_latency_seconds, "options.intra_latency_seconds");
  require_link_number(read.inter_bytes_per_second, "options.inter_bytes_per_second");
  require_link_number(read.inter_latency_seconds, "options.inter_latency_seconds");
  require_flag(read.shared_inter, "options.shared_inter");
  require_flag(read.virtual_time, "options.virtual_time");
  require_flag(read.without_checksums, "options.without_checksums");
  require_zero(read.reserved, "options.reserved");
  if (read.secret != nullptr) read_text(read.secret, LVX_SECRET_BYTES, "options.secret");
  wanted.links = {{read.intra_bytes_per_second, read.intra_latency_seconds},
                  {read.inter_bytes_per_second, read.inter_latency_seconds},
                  read.shared_inter == 1,
                  read.virtual_time == 1};
  return wanted;
}

void require_no_links(const GroupOptions& options) {
  if (options.links.intra.emulated() || options.links.inter.emulated() || options.links.virtual_time) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "options",
                        "expected no emulated links (bandwidths of 0, real time) but in a local group of "
                        "CPU devices");
  }
}

void require_size(std::int32_t size) {
  if (size < 1 || size > kMostRanks) {
    throw ArgumentError(
        LVX_INVALID_ARGUMENT, "size",
        "expected 1 to " + std::to_string(kMostRanks) + " ranks, got " + std::to_string(size));
  }
}

void require_rank(std::int32_t rank, int size) {
  if (rank < 0 || rank >= size) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "rank",
                        "expected 0 to " + std::to_string(size - 1) + ", got " + std::to_string(rank));
  }
}

}  // namespace lvx
