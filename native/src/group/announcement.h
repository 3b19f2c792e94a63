// SPDX-License-Identifier: Apache-2.0
// What each rank tells the others at the start of a collective call, before any data moves.
#pragma once

#include <lvx/lvx.h>

#include <array>
#include <cstdint>

namespace lvx {

enum class Operation : std::int32_t {
  kBarrier = LVX_OPERATION_BARRIER,
  kAllGather = LVX_OPERATION_ALL_GATHER,
  kForward = LVX_OPERATION_FORWARD,
  kBackward = LVX_OPERATION_BACKWARD,
  kAllReduce = LVX_OPERATION_ALL_REDUCE,
  kVisualForward = LVX_OPERATION_VISUAL_FORWARD,
  kVisualBackward = LVX_OPERATION_VISUAL_BACKWARD
};

const char* name_of(Operation operation);

// How keys and values are made of features; all 0 where they are not.
struct ProjectionKind {
  std::int64_t width = 0;
  std::int32_t layout = 0;
  std::int32_t input_norm = 0;
  std::int32_t key_norm = 0;
  std::int32_t rotary = 0;
  double input_epsilon = 0;
  double key_epsilon = 0;
  double theta = 0;
};

// Plain memory: it crosses process boundaries as it is.
struct Announcement {
  std::uint64_t sequence = 0;
  Operation operation = Operation::kBarrier;
  std::int32_t declined =
      0;  // 1: this rank's caller made a mistake, reason says which; the call takes place nowhere

  // Must be the same on every rank.
  std::int32_t dtype = 0;
  std::int32_t strategy = 0;
  std::int32_t ranks_per_node = 0;
  std::int64_t batch = 0;
  std::int64_t query_heads = 0;
  std::int64_t key_heads = 0;
  std::int64_t head_dim = 0;
  double scale = 0;
  std::int64_t message_bytes = 0;  // of an all-gather
  std::int64_t elements = 0;       // of an all-reduce
  std::int32_t has_visibility = 0;
  std::int32_t has_bias = 0;
  ProjectionKind projection;

  // Each rank's own.
  std::int64_t queries = 0;
  std::int64_t keys = 0;
  std::int64_t ranges = 0;  // of its visibility
  std::int64_t bias_batch = 1;
  std::int64_t bias_heads = 1;
  std::int64_t bias_rows = 1;  // 1 or the group's queries
  std::int32_t bias_dtype = 0;
  std::int32_t wants_d_bias = 0;

  std::array<char, 256> reason{};
};

// Throws Error(LVX_PEER_MISMATCH) naming the first rank whose announcement does not fit mine.
void check_agreement(const Announcement& mine, const Announcement* all, int size, int my_rank);

}  // namespace lvx
