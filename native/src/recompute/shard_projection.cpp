// SPDX-License-Identifier: Apache-2.0
#include "recompute/shard_projection.h"

#include <algorithm>

#include "recompute/key_projection.h"

namespace lvx {
namespace {

// Enough rows for the full rate of the matrix product, but few enough for a small workspace.
constexpr std::int64_t kRowsAtOnce = 1024;

// Calls work(projection, begin, end) for each tile of the features' rows. The projection has opened the tile.
template <typename Work>
void for_each_tile(Device& device, const Projection& projection, const Rows& features, KeyProjection::Use use,
                   const ProjectionGradients& gradients, Work&& work) {
  if (features.batch == 0 || features.rows == 0) return;
  const std::int64_t tile_rows = std::max<std::int64_t>(1, kRowsAtOnce / features.batch);
  KeyProjection tiles(device, projection, features, tile_rows, use, gradients);
  Workspace workspace;
  tiles.reserve(workspace);
  KernelScratch scratch;
  scratch.need(tiles.scratch_bytes());
  scratch.reserve(workspace);
  const DeviceMemory memory(device, workspace.bytes());
  workspace.lie_in(memory);
  scratch.begin(workspace);
  tiles.begin(workspace, scratch.memory());
  for (std::int64_t begin = 0; begin < features.rows; begin += tile_rows) {
    const std::int64_t end = std::min(features.rows, begin + tile_rows);
    tiles.open(begin, end);
    work(tiles, begin, end);
  }
  tiles.finish();
}

}  // namespace

void project_forward(Device& device, const Projection& projection, const Rows& features, const Bshd& raw_k,
                     const Bshd& v) {
  for_each_tile(device, projection, features, KeyProjection::Use::kForward, {},
                [&](KeyProjection& tile, std::int64_t begin, std::int64_t end) {
                  tile.project();
                  device.copy(tile.raw_keys(), raw_k.row_range(begin, end));
                  device.copy(tile.values(), v.row_range(begin, end));
                });
}

void project_backward(Device& device, const Projection& projection, const Rows& features, const Bshd& raw_k,
                      const Bshd& dk, const Bshd& dv, const Rows& d_features,
                      const ProjectionGradients& gradients) {
  for_each_tile(device, projection, features, KeyProjection::Use::kBackward, gradients,
                [&](KeyProjection& tile, std::int64_t begin, std::int64_t end) {
                  device.copy(dk.row_range(begin, end), tile.key_gradients());
                  device.copy(dv.row_range(begin, end), tile.value_gradients());
                  tile.push(raw_k.row_range(begin, end), d_features);
                });
}

}  // namespace lvx
