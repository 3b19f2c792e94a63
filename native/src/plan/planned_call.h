// SPDX-License-Identifier: Apache-2.0
// A call before it is made, as all its ranks know it; already checked.
#pragma once

#include <cstdint>
#include <span>

#include "attention/views.h"
#include "device/device.h"
#include "group/announcement.h"
#include "plan/steps.h"
#include "schedule/attention_call.h"

namespace lvx {

// Extents of 1 are broadcast; its keys are each rank's own.
struct PlannedBias {
  DType dtype = DType::kFloat32;
  std::int64_t batch = 1;
  std::int64_t heads = 1;
  std::int64_t rows = 1;
  bool wants_gradient = false;
};

// How keys and values are made of features.
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
  ProblemShape shape;  // queries and keys are each rank's own
  int ranks_per_node = 0;
  std::span<const std::int64_t> queries, keys;  // by rank
  std::span<const std::int64_t> ranges;         // by rank; empty: no visibility
  std::span<const std::uint8_t> sees;           // [home, rank], with ranges
  bool has_bias = false;
  PlannedBias bias;
  PlannedProjection projection;  // of the visual operations
  bool strided_q = false;
  bool strided_d_bias = false;
  bool plain_lse = false;  // without its terms, though there is a bias

  int ranks() const { return static_cast<int>(queries.size()); }
  bool has_visibility() const { return !ranges.empty(); }
  bool is_visual() const {
    return operation == Operation::kVisualForward || operation == Operation::kVisualBackward;
  }
};

// Runs the call's own schedule for one rank over nothing, and writes down what it does. scratch: whose kernels' scratch
// is counted; null: none is. statistics.peak_bytes and the counts of messages are those of the call.
void plan_rank(const PlannedCall& planned, int rank, Device* scratch, Steps& steps,
               lvx_statistics* statistics);

}  // namespace lvx
