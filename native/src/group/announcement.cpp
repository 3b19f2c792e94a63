// SPDX-License-Identifier: Apache-2.0
#include "group/announcement.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/dtype.h"
#include "base/error.h"

namespace lvx {
namespace {

std::string text_of(std::int64_t value) { return std::to_string(value); }
std::string text_of(double value) { return std::to_string(value); }

template <typename Value>
void require_same(const char* field, const Value& mine, const Value& theirs, Operation operation, int rank) {
  if (mine == theirs) return;
  throw Error(LVX_PEER_MISMATCH,
              std::string(name_of(operation)) + ": rank " + std::to_string(rank) + " has " + field + " " +
                  text_of(theirs) + ", this rank " + text_of(mine) + "; they must be the same on every rank",
              rank);
}

void require_same_flag(const char* what, std::int32_t mine, std::int32_t theirs, Operation operation,
                       int rank) {
  if (mine == theirs) return;
  throw Error(LVX_PEER_MISMATCH,
              std::string(name_of(operation)) + ": rank " + std::to_string(rank) + " passed " +
                  (theirs != 0 ? "a " : "no ") + what + ", this rank " + (mine != 0 ? "one" : "none") +
                  "; pass it on all ranks or on none",
              rank);
}

void check_projection(const ProjectionKind& mine, const ProjectionKind& theirs, Operation operation,
                      int rank) {
  require_same("features of width", mine.width, theirs.width, operation, rank);
  require_same("key/value layout", std::int64_t{mine.layout}, std::int64_t{theirs.layout}, operation, rank);
  require_same("norm of the features", std::int64_t{mine.input_norm}, std::int64_t{theirs.input_norm},
               operation, rank);
  require_same("norm of the keys", std::int64_t{mine.key_norm}, std::int64_t{theirs.key_norm}, operation,
               rank);
  require_same_flag("rotary embedding", mine.rotary, theirs.rotary, operation, rank);
  require_same("epsilon of the features", mine.input_epsilon, theirs.input_epsilon, operation, rank);
  require_same("epsilon of the keys", mine.key_epsilon, theirs.key_epsilon, operation, rank);
  require_same("theta", mine.theta, theirs.theta, operation, rank);
}

// What a peer sent need not end with a NUL.
template <std::size_t N>
std::string_view text_of(const std::array<char, N>& text) {
  return {text.data(), static_cast<std::size_t>(std::find(text.begin(), text.end(), '\0') - text.begin())};
}

void check_one(const Announcement& mine, const Announcement& theirs, int rank) {
  const std::string peer = "rank " + std::to_string(rank);
  if (theirs.sequence != mine.sequence) {
    throw Error(LVX_PEER_MISMATCH,
                peer + " is at operation " + std::to_string(theirs.sequence) +
                    " of the group, this rank at " + std::to_string(mine.sequence),
                rank);
  }
  if (theirs.declined != 0) {
    throw Error(LVX_PEER_MISMATCH,
                peer + " could not take part in " + name_of(theirs.operation) + ": " +
                    std::string(text_of(theirs.reason)),
                rank)
        .with_argument(text_of(theirs.argument));
  }
  if (theirs.operation != mine.operation) {
    throw Error(LVX_PEER_MISMATCH,
                peer + " called " + name_of(theirs.operation) + ", this rank " + name_of(mine.operation),
                rank);
  }
  const Operation operation = mine.operation;
  if (theirs.dtype != mine.dtype) {
    throw Error(LVX_PEER_MISMATCH,
                std::string(name_of(operation)) + ": " + peer + " has dtype " +
                    name_of(static_cast<DType>(theirs.dtype)) + ", this rank " +
                    name_of(static_cast<DType>(mine.dtype)),
                rank);
  }
  require_same("strategy", std::int64_t{mine.strategy}, std::int64_t{theirs.strategy}, operation, rank);
  require_same("ranks per node", std::int64_t{mine.ranks_per_node}, std::int64_t{theirs.ranks_per_node},
               operation, rank);
  require_same("batch", mine.batch, theirs.batch, operation, rank);
  require_same("query heads", mine.query_heads, theirs.query_heads, operation, rank);
  require_same("key heads", mine.key_heads, theirs.key_heads, operation, rank);
  require_same("head dim", mine.head_dim, theirs.head_dim, operation, rank);
  require_same("scale", mine.scale, theirs.scale, operation, rank);
  require_same("message bytes", mine.message_bytes, theirs.message_bytes, operation, rank);
  require_same("elements", mine.elements, theirs.elements, operation, rank);
  require_same_flag("visibility", mine.has_visibility, theirs.has_visibility, operation, rank);
  require_same_flag("bias", mine.has_bias, theirs.has_bias, operation, rank);
  check_projection(mine.projection, theirs.projection, operation, rank);
}

}  // namespace

const char* name_of(Operation operation) {
  switch (operation) {
    case Operation::kBarrier:
      return "barrier";
    case Operation::kAllGather:
      return "all_gather";
    case Operation::kForward:
      return "attention_forward";
    case Operation::kBackward:
      return "attention_backward";
    case Operation::kAllReduce:
      return "all_reduce";
    case Operation::kVisualForward:
      return "visual_forward";
    case Operation::kVisualBackward:
      return "visual_backward";
  }
  return "an unknown operation";
}

void check_agreement(const Announcement& mine, const Announcement* all, int size, int my_rank) {
  for (int rank = 0; rank < size; ++rank) {
    if (rank != my_rank) check_one(mine, all[rank], rank);
  }
}

}  // namespace lvx
