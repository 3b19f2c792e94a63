// SPDX-License-Identifier: Apache-2.0
#include "recompute/visual_call.h"

#include "recompute/backward_tile_pass.h"
#include "recompute/forward_tile_pass.h"
#include "recompute/tiled.h"

namespace lvx {
namespace {

// The strategy that the statistics report: queries are sent to all ranks at once, and partial results directly home.
constexpr lvx_strategy kStrategy = LVX_QUERY_GATHER;

Announcement with_projection(Announcement mine, const Projection& projection) {
  mine.projection.width = projection.width;
  mine.projection.layout = projection.layout;
  mine.projection.input_norm = projection.input_norm.kind;
  mine.projection.key_norm = projection.key_norm.kind;
  mine.projection.rotary = projection.rotary ? 1 : 0;
  mine.projection.input_epsilon = projection.input_norm.epsilon;
  mine.projection.key_epsilon = projection.key_norm.epsilon;
  mine.projection.theta = projection.theta;
  return mine;
}

template <typename TilePassOf, typename Call>
void run(Group& group, const Announcement& mine, const Call& call, lvx_statistics* statistics) {
  run_collective(group, with_projection(mine, call.projection), kStrategy, statistics,
                 [&](Collective& collective) {
                   const Shards shards(collective, call.attention.visibility);
                   TilePassOf pass(collective, shards, call);
                   run_tiled(collective, pass);
                 });
}

}  // namespace

void visual_forward(Group& group, const VisualForwardCall& call, lvx_statistics* statistics) {
  run<ForwardTilePass>(group, announce(Operation::kVisualForward, call.attention), call, statistics);
}

void visual_backward(Group& group, const VisualBackwardCall& call, lvx_statistics* statistics) {
  run<BackwardTilePass>(group, announce(Operation::kVisualBackward, call.attention), call, statistics);
}

}  // namespace lvx
