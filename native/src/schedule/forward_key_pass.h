// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/attention_call.h"
#include "schedule/key_pass.h"
#include "schedule/lse_sum.h"

namespace lvx {

// No worker sends results home: each merges into its own o and lse.
class ForwardKeyPass final : public KeyPass {
 public:
  ForwardKeyPass(Collective& collective, const Shards& shards, const ForwardCall& call);

  std::int64_t result_bytes(int, int) const override { return 0; }
  void reserve(Workspace& workspace) override;
  void begin(const Workspace& workspace) override;
  void compute_visitor(int home, std::byte* block, std::byte* side, std::byte* result) override;
  void merge(int, std::byte*) override {}
  void finish() override;

 private:
  std::size_t scratch_bytes(const ProblemShape& shape) const override;
  void compute_own(std::int64_t first_key, std::int64_t end_key, bool add) override;
  void compute(const ProblemShape& shape, const Bshd& k, const Bshd& v, const Bias& bias, bool merge);

  const ForwardCall& call_;
  const bool accumulates_;  // o's dtype is too narrow to merge in
  LseSum lse_sum_;
  Workspace::Piece accumulator_piece_{};
  Partial sum_;
};

}  // namespace lvx
