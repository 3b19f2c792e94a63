// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/attention_call.h"
#include "schedule/lse_sum.h"
#include "schedule/pass.h"
#include "schedule/shards.h"

namespace lvx {

// Out: k and v, and in addition to each worker the slice of the bias for its queries. Nothing goes home: each worker
// merges into its own o and lse.
class ForwardKeyPass final : public Pass {
 public:
  ForwardKeyPass(Collective& collective, const Shards& shards, const ForwardCall& call);

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
  ProblemShape shape_of(int home) const;
  std::int64_t first_part() const;
  void need_scratch(const ProblemShape& shape);
  void compute_own(std::int64_t first_key, std::int64_t end_key, bool merge);
  void compute(const ProblemShape& shape, const Bshd& k, const Bshd& v, const Bias& bias, bool merge);

  Collective& collective_;
  const Shards& shards_;
  const ForwardCall& call_;
  const DType dtype_;
  const DType accumulator_;
  const bool travels_;      // some peer's queries see this rank's keys
  const bool splits_;       // each part of this rank's own block hides a transfer
  const bool accumulates_;  // o's dtype is too narrow to merge in
  LseSum lse_sum_;
  Workspace::Piece packed_piece_{}, accumulator_piece_{};

  std::byte* block_ = nullptr;
  Partial sum_;
  KernelScratch scratch_;
};

}  // namespace lvx
