// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/attention_call.h"
#include "schedule/d_bias_sum.h"
#include "schedule/query_block.h"
#include "schedule/query_pass.h"

namespace lvx {

// Message to the worker: q, d_o, lse, delta and visibility. o is not sent, because only delta = rowsum(d_o * o) is needed, which
// the home computes. Message to the home: dq in q's dtype, which the home sums in the accumulator's dtype. dk, dv and d_bias
// stay at the rank of their keys.
class BackwardQueryPass final : public QueryPass {
 public:
  BackwardQueryPass(Collective& collective, const Shards& shards, const BackwardCall& call);

  std::int64_t block_bytes(int home) const override;
  std::int64_t result_bytes(int home, int worker) const override;
  void reserve(Workspace& workspace) override;
  void begin(const Workspace& workspace) override;
  void compute_visitor(int home, std::byte* block, std::byte* side, std::byte* result) override;
  void merge(int worker, std::byte* result) override;
  void finish() override;

  std::int64_t sum_bytes(int home) const override;
  void start_sum(int home, std::byte* block, std::byte* sum) override;
  void add_to_sum(int home, std::byte* result, std::byte* sum) override;
  void finish_sum(int home, std::byte* sum, std::byte* result) override;

 private:
  std::size_t scratch_bytes(const ProblemShape& shape) const override;
  void compute_own(std::int64_t first_key, std::int64_t end_key, bool add) override;
  BackwardBlock parts_of(int home, std::byte* block) const;
  Bshd result_of(int home, DType dtype, std::byte* result) const;
  void clear_key_gradients();
  BackwardProblem against_keys(int home, const BackwardBlock& parts, std::int64_t first_key,
                               std::int64_t end_key) const;

  const BackwardCall& call_;
  const bool narrow_;  // the gradients' dtype is too narrow to accumulate in
  DBiasSum d_bias_sum_;
  Workspace::Piece packed_piece_{}, delta_piece_{}, dq_piece_{}, dk_piece_{}, dv_piece_{};

  BackwardBlock own_block_;
  Bshd dq_, dk_, dv_;
  Bias d_bias_;
};

}  // namespace lvx
