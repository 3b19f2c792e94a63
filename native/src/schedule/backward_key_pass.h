// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/attention_call.h"
#include "schedule/d_bias_sum.h"
#include "schedule/key_pass.h"

namespace lvx {

// Message to the home: dk and dv in k's dtype and the gradient of the bias slice in the accumulator's dtype. The home sums them
// in the accumulator's dtype. dq stays at the rank of its queries.
class BackwardKeyPass final : public KeyPass {
 public:
  BackwardKeyPass(Collective& collective, const Shards& shards, const BackwardCall& call);

  std::int64_t result_bytes(int home, int worker) const override;
  void reserve(Workspace& workspace) override;
  void begin(const Workspace& workspace) override;
  void compute_visitor(int home, std::byte* block, std::byte* side, std::byte* result) override;
  void merge(int worker, std::byte* result) override;
  void finish() override;

 private:
  std::size_t scratch_bytes(const ProblemShape& shape) const override;
  void compute_own(std::int64_t first_key, std::int64_t end_key, bool add) override;
  BackwardProblem against(const ProblemShape& shape, const Bshd& k, const Bshd& v) const;
  void clear_key_gradients();

  const BackwardCall& call_;
  const bool narrow_;  // the gradients' dtype is too narrow to accumulate in
  DBiasSum d_bias_sum_;
  Workspace::Piece delta_piece_{}, dq_piece_{}, dk_piece_{}, dv_piece_{};

  Bhs delta_;
  Bshd dq_, dk_, dv_;
  Bias d_bias_;
};

}  // namespace lvx
