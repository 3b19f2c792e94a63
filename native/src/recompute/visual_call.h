// SPDX-License-Identifier: Apache-2.0
// One rank's arguments of attention over keys and values that are projected tile by tile, already checked.
#pragma once

#include "recompute/projection.h"
#include "schedule/attention_call.h"

namespace lvx {

struct VisualForward {
  AttentionForward attention;  // without k and v; its keys are the features' rows
  Projection projection;
  Rows features;
  std::int64_t tile_rows = 0;
};

struct VisualBackward {
  AttentionBackward attention;  // without k, v, dk and dv
  Projection projection;
  Rows features;
  std::int64_t tile_rows = 0;
  Rows d_features;  // none: not wanted
  ProjectionGradients gradients;
};

// Collective. statistics may be null.
void visual_forward(Group& group, const VisualForward& arguments, lvx_statistics* statistics);
void visual_backward(Group& group, const VisualBackward& arguments, lvx_statistics* statistics);

}  // namespace lvx
