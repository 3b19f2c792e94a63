// SPDX-License-Identifier: Apache-2.0
#include "recompute/visual_call.h"

#include "recompute/backward_tile_pass.h"
#include "recompute/forward_tile_pass.h"
#include "recompute/tiled.h"

namespace lvx {
namespace {

// Queries go to all ranks at once and partial results straight home, so that is what the statistics say.
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

template <typename TilePassOf, typename Arguments>
void run(Group& group, const Announcement& mine, const Arguments& arguments, lvx_statistics* statistics) {
  collective(group, with_projection(mine, arguments.projection), kStrategy, statistics, [&](Call& call) {
    const Shards shards(call, arguments.attention.visibility);
    TilePassOf pass(call, shards, arguments);
    run_tiled(call, pass);
  });
}

}  // namespace

void visual_forward(Group& group, const VisualForward& arguments, lvx_statistics* statistics) {
  run<ForwardTilePass>(group, announce(Operation::kVisualForward, arguments.attention), arguments,
                       statistics);
}

void visual_backward(Group& group, const VisualBackward& arguments, lvx_statistics* statistics) {
  run<BackwardTilePass>(group, announce(Operation::kVisualBackward, arguments.attention), arguments,
                        statistics);
}

}  // namespace lvx
