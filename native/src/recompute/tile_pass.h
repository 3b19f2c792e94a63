// SPDX-License-Identifier: Apache-2.0
// What travels and what is computed, when all queries come to a rank and its keys are made tile by tile. The schedule
// (tiled.h) is written once against this, for forward and backward.
//
// A block's *home* is the rank whose queries it is; a *worker* is a rank that it visits.
#pragma once

#include <algorithm>

#include "group/group.h"
#include "recompute/key_projection.h"
#include "recompute/tile_sum.h"
#include "schedule/shards.h"

namespace lvx {

// Rows [begin, end) of this rank's features, and so of its keys.
struct Tile {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

class TilePass {
 public:
  TilePass(Call& call, const Shards& shards, const Problem& own, const Rows& features,
           const Projection& projection, std::int64_t tile_rows, KeyProjection::Use use,
           const ProjectionGradients& gradients)
      : call_(call),
        shards_(shards),
        own_(own),
        dtype_(features.dtype),
        accumulator_(accumulator_of(features.dtype)),
        tile_rows_(std::max<std::int64_t>(1, std::min(tile_rows, own.keys))),
        keys_(call.device(), projection, features, tile_rows_, use, gradients) {}
  virtual ~TilePass() = default;
  TilePass(const TilePass&) = delete;
  TilePass& operator=(const TilePass&) = delete;

  const Shards& shards() const { return shards_; }
  std::int64_t tiles() const { return (own_.keys + tile_rows_ - 1) / tile_rows_; }
  Tile tile(std::int64_t index) const {
    return {index * tile_rows_, std::min(own_.keys, (index + 1) * tile_rows_)};
  }
  bool visits(int home, int worker) const { return home != worker && shards_.sees(home, worker); }

  // Sizes of messages: a home's block, and a worker's result for it.
  virtual std::int64_t block_bytes(int home) const = 0;
  virtual std::int64_t result_bytes(int home) const = 0;

  // Asks for the memory it needs; then, once that is allocated, readies accumulators and this rank's own block.
  virtual void reserve(Workspace& workspace) = 0;
  virtual void begin(const Workspace& workspace) = 0;
  // This rank's block as a message; stays valid until finish.
  virtual std::byte* block() = 0;
  // A visitor is here; its result is summed in the memory given.
  virtual void arrive(int home, std::byte* block, std::byte* result) = 0;
  // Of this rank's queries, or of a visitor that is here.
  virtual Visibility visibility(int home) const = 0;

  // Every tile that a visitor sees is done: its result is made whole.
  virtual void complete(int home) = 0;
  // Makes a tile's keys and values; computes one home's queries against them; is done with the tile.
  virtual void open(const Tile& tile) = 0;
  virtual void attend(int home) = 0;
  virtual void close() = 0;

  // A worker's result for this rank's block. Called in an order that does not depend on timing.
  virtual void merge(std::byte* result) = 0;
  virtual void finish() = 0;

 protected:
  // Home's queries against the keys of a tile.
  Problem problem_of(int home, const Tile& tile) const {
    Problem problem = own_;
    problem.queries = shards_.queries(home);
    problem.keys = tile.end - tile.begin;
    problem.first_key = shards_.key_begin(call_.rank()) + tile.begin;
    return problem;
  }
  // Whether there are so many tiles that what they add up to for a home needs a total beside it.
  bool needs_totals() const { return needs_groups(tiles(), accumulator_); }
  // Calls visit(home) for this rank and every home whose queries come here.
  template <typename Visit>
  void for_each_home(Visit&& visit) const {
    for (int home = 0; home < call_.size(); ++home) {
      if (home == call_.rank() || visits(home, call_.rank())) visit(home);
    }
  }
  // Calls visit(problem) for every size of problem that this rank may compute.
  template <typename Visit>
  void for_each_problem(Visit&& visit) const {
    for_each_home([&](int home) {
      visit(problem_of(home, {}));
      if (own_.keys == 0) return;
      visit(problem_of(home, tile(0)));
      visit(problem_of(home, tile(tiles() - 1)));
    });
  }

  Call& call_;
  const Shards& shards_;
  const Problem& own_;
  const DType dtype_;
  const DType accumulator_;
  const std::int64_t tile_rows_;
  KeyProjection keys_;
};

}  // namespace lvx
