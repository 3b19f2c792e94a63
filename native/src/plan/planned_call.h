// SPDX-License-Identifier: Apache-2.0
// A planned call: what all ranks know of a call, already checked.
#pragma once

#include <cstdint>
#include <span>

#include "attention/views.h"
#include "device/device.h"
#include "group/announcement.h"
#include "plan/steps.h"
#include "schedule/attention_call.h"

namespace lvx {

// Dimensions of extent 1 are broadcast. The number of keys is each rank's own.
struct PlannedBias {
  DType dtype = DType::kFloat32;
  std::int64_t batch = 1;
  std::int64_t heads = 1;
  std::int64_t rows = 1;
  bool wants_gradient = false;
};

// How keys and values are projected from features.
struct PlannedProjection {
  std::int64_t width = 0;
  std::int64_t tile_rows = 0;
  lvx_key_value_layout layout = LVX_KEY_VALUE_SEPARATE;
  lvx_norm input_norm = LVX_NORM_NONE;
  lvx_norm key_norm = LVX_NORM_NONE;
  bool rotary = false;
};

struct PlannedCall {
  Operation operation = Operation::kForward;
  lvx_strategy strategy = LVX_QUERY_RING;
  DType dtype = DType::kFloat32;
  ProblemShape shape;  // except queries and keys, which differ by rank
  int ranks_per_node = 0;
  std::span<const std::int64_t> queries, keys;  // by rank
  std::span<const std::int64_t> ranges;         // by rank; empty: no visibility
  std::span<const std::uint8_t> sees;           // [home, rank], with ranges
  bool has_bias = false;
  PlannedBias bias;
  PlannedProjection projection;  // visual operations only
  bool strided_q = false;
  bool strided_d_bias = false;
  bool plain_lse = false;  // lse without its terms, although there is a bias

  int ranks() const { return static_cast<int>(queries.size()); }
  bool has_visibility() const { return !ranges.empty(); }
  bool is_visual() const {
    return operation == Operation::kVisualForward || operation == Operation::kVisualBackward;
  }
};

// Runs the call's schedule for one rank without data, and records its steps. scratch: the device whose kernel scratch is
// counted; null: scratch is not counted. statistics.peak_bytes and the message counts are those of the real call.
void plan_rank(const PlannedCall& planned, int rank, Device* scratch, Steps& steps,
               lvx_statistics* statistics);

}  // namespace lvx
