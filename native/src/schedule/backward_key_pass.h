// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/attention_call.h"
#include "schedule/d_bias_sum.h"
#include "schedule/pass.h"
#include "schedule/shards.h"

namespace lvx {

// Out: k and v, and beside them to each worker its slice of the bias. Home: dk and dv in k's dtype and the slice's
// gradient in the accumulator's, summed there in the accumulator's. dq stays with its queries.
class BackwardKeyPass final : public Pass {
 public:
  BackwardKeyPass(Call& call, const Shards& shards, const AttentionBackward& arguments);

  bool visits(int home, int worker) const override { return home != worker && shards_.sees(worker, home); }
  std::int64_t block_bytes(int home) const override;
  std::int64_t side_bytes(int home, int worker) const override;
  std::int64_t result_bytes(int home, int worker) const override;
  void reserve(Workspace& workspace) override;
  void begin(const Workspace& workspace) override;
  std::byte* block() override { return block_; }
  void pack_side(int worker, std::byte* side) override;
  void compute_own_first() override;
  void compute_own_second() override;
  void compute_visitor(int home, std::byte* block, std::byte* side, std::byte* result) override;
  void merge(int worker, std::byte* result) override;
  void finish() override;

 private:
  Problem problem_of(int home) const;
  std::int64_t first_part() const;
  void need_scratch(const Problem& problem);
  BackwardArguments against(const Problem& problem, const Bshd& k, const Bshd& v) const;
  void compute_own(std::int64_t first_key, std::int64_t end_key, bool add_dq);
  void clear_key_gradients();

  Call& call_;
  const Shards& shards_;
  const AttentionBackward& arguments_;
  const DType dtype_;
  const DType accumulator_;
  const bool travels_;  // some peer's queries see this rank's keys
  const bool splits_;   // there is a transfer to hide behind each part of this rank's own block
  const bool narrow_;   // the gradients' dtype is too narrow to sum in
  DBiasSum d_bias_sum_;
  Workspace::Piece packed_piece_{}, delta_piece_{}, dq_piece_{}, dk_piece_{}, dv_piece_{};

  std::byte* block_ = nullptr;
  Bhs delta_;
  Bshd dq_, dk_, dv_;
  Bias d_bias_;
  KernelScratch scratch_;
};

}  // namespace lvx
