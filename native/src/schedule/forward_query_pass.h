// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/attention_call.h"
#include "schedule/lse_sum.h"
#include "schedule/query_pass.h"

namespace lvx {

// Message to the worker: q and its visibility. Message to the home: the partial (o, lse) in the accumulator's dtype. A partial
// o may be larger than the o that it is merged into, so rounding it to a narrower dtype would cost accuracy with every
// additional rank.
class ForwardQueryPass final : public QueryPass {
 public:
  ForwardQueryPass(Collective& collective, const Shards& shards, const ForwardCall& call);

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
  Partial result_of(int home, std::byte* result) const;
  ForwardProblem visitor(int home, std::byte* block) const;

  const ForwardCall& call_;
  const bool packs_;        // q must be packed before it is sent
  const bool accumulates_;  // o's dtype is too narrow to merge in
  LseSum lse_sum_;
  Workspace::Piece packed_piece_{}, accumulator_piece_{};
  Partial sum_;
};

}  // namespace lvx
