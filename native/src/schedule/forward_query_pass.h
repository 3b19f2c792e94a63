// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/attention_call.h"
#include "schedule/lse_sum.h"
#include "schedule/pass.h"
#include "schedule/shards.h"

namespace lvx {

// Out: q and its visibility. Home: the partial (o, lse), all of it in the accumulator's dtype: a partial o may be larger than
// the o it is merged into, so rounding it to a narrower dtype would cost accuracy with every further rank.
class ForwardQueryPass final : public QueryPass {
 public:
  ForwardQueryPass(Call& call, const Shards& shards, const AttentionForward& arguments);

  bool visits(int home, int worker) const override { return home != worker && shards_.sees(home, worker); }
  std::int64_t block_bytes(int home) const override;
  std::int64_t side_bytes(int, int) const override { return 0; }
  std::int64_t result_bytes(int home, int worker) const override;
  void reserve(Workspace& workspace) override;
  void begin(const Workspace& workspace) override;
  std::byte* block() override { return block_; }
  void pack_side(int, std::byte*) override {}
  void compute_own_first() override;
  void compute_own_second() override;
  void compute_visitor(int home, std::byte* block, std::byte* side, std::byte* result) override;
  void merge(int worker, std::byte* result) override;
  void finish() override;

  std::int64_t sum_bytes(int home) const override;
  void start_sum(int home, std::byte* block, std::byte* sum) override;
  void add_to_sum(int home, std::byte* result, std::byte* sum) override;
  void finish_sum(int home, std::byte* sum, std::byte* result) override;

 private:
  Problem problem_of(int home) const;
  std::int64_t first_part() const;
  void need_scratch(const Problem& problem);
  Partial result_of(int home, std::byte* result) const;
  ForwardArguments visitor(int home, std::byte* block) const;
  void compute_own(std::int64_t first_key, std::int64_t end_key, bool merge);

  Call& call_;
  const Shards& shards_;
  const AttentionForward& arguments_;
  const DType dtype_;
  const DType accumulator_;
  const bool travels_;      // some peer sees keys for this rank's queries
  const bool splits_;       // there is a transfer to hide behind each part of this rank's own block
  const bool packs_;        // q cannot be sent as it lies
  const bool accumulates_;  // o's dtype is too narrow to merge in
  LseSum lse_sum_;
  Workspace::Piece packed_piece_{}, accumulator_piece_{};

  std::byte* block_ = nullptr;
  Partial sum_;
  KernelScratch scratch_;
};

}  // namespace lvx
