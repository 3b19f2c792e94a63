// SPDX-License-Identifier: Apache-2.0
// The announcement that each rank sends to all others at the start of a collective call, before any data moves.
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

// How keys and values are projected from features; all 0 if the call has no projection.
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

// Trivially copyable, because it is sent to other processes as bytes.
struct Announcement {
  std::uint64_t sequence = 0;
  Operation operation = Operation::kBarrier;
  std::int32_t declined = 0;  // 1: this rank declines the call for the given reason, so no rank executes it

  // The same on every rank.
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

  // May differ between ranks.
  std::int64_t queries = 0;
  std::int64_t keys = 0;
  std::int64_t ranges = 0;  // of its visibility
  std::int64_t bias_batch = 1;
  std::int64_t bias_heads = 1;
  std::int64_t bias_rows = 1;  // 1 or the group's queries
  std::int32_t bias_dtype = 0;
  std::int32_t wants_d_bias = 0;

  std::array<char, 256> reason{};
  std::array<char, sizeof(lvx_error::argument)> argument{};  // the one that the reason names, or empty
};

// Throws Error(LVX_PEER_MISMATCH) that names the first rank whose announcement does not agree with mine.
void check_agreement(const Announcement& mine, const Announcement* all, int size, int my_rank);

}  // namespace lvx
