// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/attention_call.h"
#include "schedule/d_bias_sum.h"
#include "schedule/pass.h"
#include "schedule/query_block.h"
#include "schedule/shards.h"

namespace lvx {

// Out: q, d_o, lse, delta and visibility; o stays at home, where delta = rowsum(d_o * o) is all that is needed of it.
// Home: dq in q's dtype, summed there in the accumulator's. dk, dv and d_bias stay with their keys.
class BackwardQueryPass final : public QueryPass {
 public:
  BackwardQueryPass(Call& call, const Shards& shards, const AttentionBackward& arguments);

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
  BackwardBlock parts_of(int home, std::byte* block) const;
  Bshd result_of(int home, DType dtype, std::byte* result) const;
  void clear_key_gradients();
  BackwardArguments against_keys(int home, const BackwardBlock& parts, std::int64_t first_key,
                                 std::int64_t end_key) const;
  void compute_own(std::int64_t first_key, std::int64_t end_key, bool add);

  Call& call_;
  const Shards& shards_;
  const AttentionBackward& arguments_;
  const DType dtype_;
  const DType accumulator_;
  const bool travels_;  // some peer sees keys for this rank's queries
  const bool visited_;  // this rank's keys are seen by some peer's queries
  const bool splits_;   // there is a transfer to hide behind each part of this rank's own block
  const bool narrow_;   // the gradients' dtype is too narrow to sum in
  DBiasSum d_bias_sum_;
  Workspace::Piece packed_piece_{}, delta_piece_{}, dq_piece_{}, dk_piece_{}, dv_piece_{};

  std::byte* block_ = nullptr;
  BackwardBlock own_;
  Bshd dq_, dk_, dv_;
  Bias d_bias_;
  KernelScratch scratch_;
};

}  // namespace lvx
