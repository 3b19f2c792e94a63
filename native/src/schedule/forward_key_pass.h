// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/attention_call.h"
#include "schedule/lse_sum.h"
#include "schedule/pass.h"
#include "schedule/shards.h"

namespace lvx {

// Out: k and v, and beside them to each worker the slice of the bias for its queries. Nothing goes home: each worker
// merges into its own o and lse.
class ForwardKeyPass final : public Pass {
 public:
  ForwardKeyPass(Call& call, const Shards& shards, const AttentionForward& arguments);

  bool visits(int home, int worker) const override { return home != worker && shards_.sees(worker, home); }
  std::int64_t block_bytes(int home) const override;
  std::int64_t side_bytes(int home, int worker) const override;
  std::int64_t result_bytes(int, int) const override { return 0; }
  void reserve(Workspace& workspace) override;
  void begin(const Workspace& workspace) override;
  std::byte* block() override { return block_; }
  void pack_side(int worker, std::byte* side) override;
  void compute_own_first() override;
  void compute_own_second() override;
  void compute_visitor(int home, std::byte* block, std::byte* side, std::byte* result) override;
  void merge(int, std::byte*) override {}
  void finish() override;

 private:
  Problem problem_of(int home) const;
  std::int64_t first_part() const;
  void need_scratch(const Problem& problem);
  void compute_own(std::int64_t first_key, std::int64_t end_key, bool merge);
  void compute(const Problem& problem, const Bshd& k, const Bshd& v, const Bias& bias, bool merge);

  Call& call_;
  const Shards& shards_;
  const AttentionForward& arguments_;
  const DType dtype_;
  const DType accumulator_;
  const bool travels_;      // some peer's queries see this rank's keys
  const bool splits_;       // there is a transfer to hide behind each part of this rank's own block
  const bool accumulates_;  // o's dtype is too narrow to merge in
  LseSum lse_sum_;
  Workspace::Piece packed_piece_{}, accumulator_piece_{};

  std::byte* block_ = nullptr;
  Partial sum_;
  KernelScratch scratch_;
};

}  // namespace lvx
