// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "recompute/tile_pass.h"
#include "recompute/visual_call.h"
#include "schedule/lse_sum.h"
#include "schedule/query_block.h"

namespace lvx {

// Message to the worker: q and its visibility. Message to the home: the partial (o, lse) in the accumulator's dtype, merged over
// the worker's tiles.
class ForwardTilePass final : public TilePass {
 public:
  ForwardTilePass(Collective& collective, const Shards& shards, const VisualForwardCall& call);

  std::int64_t block_bytes(int home) const override;
  std::int64_t result_bytes(int home) const override;
  void reserve(Workspace& workspace) override;
  void begin(const Workspace& workspace) override;
  std::byte* block() override { return block_; }
  void arrive(int home, std::byte* block, std::byte* result) override;
  Visibility visibility(int home) const override { return at(home).block.visibility; }
  void open(const Tile& tile) override;
  void complete(int home) override { at(home).sum.finish(collective_.device()); }
  void attend(int home) override;
  void close() override {}
  void merge(std::byte* result) override;
  void finish() override;

 private:
  struct Home {
    ForwardBlock block;
    TileSum<Partial> sum;
    Workspace::Piece total{};
  };

  Home& at(int home) { return homes_[static_cast<std::size_t>(home)]; }
  const Home& at(int home) const { return homes_[static_cast<std::size_t>(home)]; }
  Partial result_of(int home, std::byte* result) const;
  bool has_terms(int home) const;
  TileSum<Partial> sum_in(int home, const Partial& group) const;
  void start_own();
  ForwardProblem against(int home, const Tile& tile) const;

  const ForwardCall& call_;
  const bool travels_;      // some peer sees keys for this rank's queries
  const bool packs_;        // q must be packed before it is sent
  const bool accumulates_;  // o's dtype is too narrow to merge in
  LseSum lse_sum_;
  Workspace::Piece packed_piece_{}, accumulator_piece_{};

  const Workspace* workspace_ = nullptr;
  std::byte* block_ = nullptr;
  std::vector<Home> homes_;
  Tile open_;
  KernelScratch scratch_;
};

}  // namespace lvx
