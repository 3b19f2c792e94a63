// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "recompute/tile_pass.h"
#include "recompute/visual_call.h"
#include "schedule/d_bias_sum.h"
#include "schedule/query_block.h"

namespace lvx {

// Message to the worker: q, d_o, lse, delta and visibility. Message to the home: dq in the accumulator's dtype, summed over the
// worker's tiles. dk and dv exist only while their tile is open; closing it turns them into gradients of parameters and
// features.
class BackwardTilePass final : public TilePass {
 public:
  BackwardTilePass(Collective& collective, const Shards& shards, const VisualBackwardCall& call);

  std::int64_t block_bytes(int home) const override;
  std::int64_t result_bytes(int home) const override;
  void reserve(Workspace& workspace) override;
  void begin(const Workspace& workspace) override;
  std::byte* block() override { return block_; }
  void arrive(int home, std::byte* block, std::byte* result) override;
  Visibility visibility(int home) const override { return at(home).block.visibility; }
  void open(const Tile& tile) override;
  void complete(int home) override { at(home).dq.finish(collective_.device()); }
  void attend(int home) override;
  void close() override;
  void merge(std::byte* result) override;
  void finish() override;

 private:
  struct Home {
    BackwardBlock block;
    TileSum<Bshd> dq;
    Workspace::Piece total{};
  };

  Home& at(int home) { return homes_[static_cast<std::size_t>(home)]; }
  const Home& at(int home) const { return homes_[static_cast<std::size_t>(home)]; }
  Bshd result_of(int home, std::byte* result) const;
  TileSum<Bshd> sum_in(int home, const Bshd& group) const;
  void start_own();
  BackwardProblem against(int home, const Tile& tile) const;

  const VisualBackwardCall& visual_;
  const BackwardCall& call_;
  const bool travels_;  // some peer sees keys for this rank's queries
  const bool narrow_;   // the gradients' dtype is too narrow to accumulate in
  DBiasSum d_bias_sum_;
  Workspace::Piece packed_piece_{}, delta_piece_{}, dq_piece_{};

  const Workspace* workspace_ = nullptr;
  std::byte* block_ = nullptr;
  std::vector<Home> homes_;
  Bias d_bias_;
  Tile open_;
  bool tile_started_ = false;  // the open tile's gradients are initialised
  KernelScratch scratch_;
};

}  // namespace lvx
