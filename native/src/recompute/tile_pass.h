// SPDX-License-Identifier: Apache-2.0
// A pass with keys that are projected tile by tile: what is sent and what is computed. The schedule (tiled.h) uses this
// interface, so that it is written once for forward and backward.
//
// A block's *home* is the rank to which its queries belong; a *worker* is a rank that it visits.
#pragma once

#include <algorithm>

#include "base/divide.h"
#include "group/group.h"
#include "recompute/key_projection.h"
#include "recompute/tile_sum.h"
#include "schedule/shards.h"

namespace lvx {

// Rows [begin, end) of this rank's features, which are also its keys.
struct Tile {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

class TilePass {
 public:
  TilePass(Collective& collective, const Shards& shards, const ProblemShape& own, const Rows& features,
           const Projection& projection, std::int64_t tile_rows, KeyProjection::Use use,
           const ProjectionGradients& gradients)
      : collective_(collective),
        shards_(shards),
        own_(own),
        dtype_(features.dtype),
        accumulator_(accumulator_of(features.dtype)),
        tile_rows_(std::max<std::int64_t>(1, std::min(tile_rows, own.keys))),
        keys_(collective.device(), projection, features, tile_rows_, use, gradients) {}
  virtual ~TilePass() = default;
  TilePass(const TilePass&) = delete;
  TilePass& operator=(const TilePass&) = delete;

  const Shards& shards() const { return shards_; }
  std::int64_t tiles() const { return divide_up(own_.keys, tile_rows_); }
  Tile tile(std::int64_t index) const {
    return {index * tile_rows_, std::min(own_.keys, (index + 1) * tile_rows_)};
  }
  bool visits(int home, int worker) const { return home != worker && shards_.sees(home, worker); }

  // Sizes of messages: a home's block, and a worker's result for it.
  virtual std::int64_t block_bytes(int home) const = 0;
  virtual std::int64_t result_bytes(int home) const = 0;

  // Reserves memory; begin, once it is allocated, prepares accumulators and this rank's own block.
  virtual void reserve(Workspace& workspace) = 0;
  virtual void begin(const Workspace& workspace) = 0;
  // This rank's block as a message; stays valid until finish.
  virtual std::byte* block() = 0;
  // Accepts a visitor's block. Its result is accumulated in `result`.
  virtual void arrive(int home, std::byte* block, std::byte* result) = 0;
  // The visibility of this rank's queries, or of a visitor that has arrived.
  virtual Visibility visibility(int home) const = 0;

  // Completes home's result, after the last tile that it sees.
  virtual void complete(int home) = 0;
  // open projects a tile's keys and values, attend computes one home's queries against them, close finishes the tile.
  virtual void open(const Tile& tile) = 0;
  virtual void attend(int home) = 0;
  virtual void close() = 0;

  // A worker's result for this rank's block. Called in an order that does not depend on timing.
  virtual void merge(std::byte* result) = 0;
  virtual void finish() = 0;

 protected:
  // Home's queries against the keys of a tile.
  ProblemShape shape_of(int home, const Tile& tile) const {
    ProblemShape shape = own_;
    shape.queries = shards_.queries(home);
    shape.keys = tile.end - tile.begin;
    shape.first_key = shards_.key_begin(collective_.rank()) + tile.begin;
    shape.first_query = shards_.query_begin(home);
    return shape;
  }
  // Whether there are so many tiles that their sum for a home needs a separate total.
  bool needs_totals() const { return needs_groups(tiles(), accumulator_); }
  // Calls visit(home) for this rank and for every home whose queries visit it.
  template <typename Visit>
  void for_each_home(Visit&& visit) const {
    for (int home = 0; home < collective_.size(); ++home) {
      if (home == collective_.rank() || visits(home, collective_.rank())) visit(home);
    }
  }
  // Calls visit(shape) for every problem shape that this rank may compute.
  template <typename Visit>
  void for_each_shape(Visit&& visit) const {
    for_each_home([&](int home) {
      visit(shape_of(home, {}));
      if (own_.keys == 0) return;
      visit(shape_of(home, tile(0)));
      visit(shape_of(home, tile(tiles() - 1)));
    });
  }

  Collective& collective_;
  const Shards& shards_;
  const ProblemShape& own_;
  const DType dtype_;
  const DType accumulator_;
  const std::int64_t tile_rows_;
  KeyProjection keys_;
};

}  // namespace lvx
