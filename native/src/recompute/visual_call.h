// SPDX-License-Identifier: Apache-2.0
// One rank's call of attention over keys and values that are projected tile by tile, already checked.
#pragma once

#include "recompute/projection.h"
#include "schedule/attention_call.h"

namespace lvx {

struct VisualForwardCall {
  ForwardCall attention;  // without k and v; its keys are the features' rows
  Projection projection;
  Rows features;
  std::int64_t tile_rows = 0;
};

struct VisualBackwardCall {
  BackwardCall attention;  // without k, v, dk and dv
  Projection projection;
  Rows features;
  std::int64_t tile_rows = 0;
  Rows d_features;  // optional
  ProjectionGradients gradients;
};

// Collective calls. statistics may be null.
void visual_forward(Group& group, const VisualForwardCall& call, lvx_statistics* statistics);
void visual_backward(Group& group, const VisualBackwardCall& call, lvx_statistics* statistics);

}  // namespace lvx
