// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "schedule/attention_call.h"
#include "schedule/d_bias_sum.h"
#include "schedule/head_pass.h"
#include "schedule/query_block.h"

namespace lvx {

// Share: a block of queries as in QUERY_RING, k, v and bias, with the worker's heads. Result: dq, dk and dv of these heads in
// q's dtype, and the gradient of the bias slice in the accumulator's dtype. If several ranks work on one key head, the home sums
// their results.
class BackwardHeadPass final : public HeadPass {
 public:
  BackwardHeadPass(Collective& collective, const Shards& shards, const BackwardCall& call);

  std::int64_t share_bytes(int home, int worker) const override;
  std::int64_t result_bytes(int home, int worker) const override;
  void reserve(Workspace& workspace) override;
  void begin(const Workspace& workspace) override;
  void pack_share(int worker, std::byte* share) override;
  void take_share(int home, std::byte* share, std::byte* result) override;
  void compute_pair(int queries_home, int keys_home) override;
  void complete(int home) override;
  void merge(int worker, std::byte* result) override;
  void finish() override;

 private:
  struct Gradients {
    Bshd dq, dk, dv;
    Bias d_bias;
  };
  // View of a home's share at this rank, or of this rank's share for a worker.
  struct Share {
    BackwardBlock queries;
    Bshd k, v;
    Bias bias;
    Gradients sum, result;
    bool queries_started = false;
    bool keys_started = false;
    Workspace::Piece dq_piece{}, dk_piece{}, dv_piece{};
  };

  Share layout(int home, int worker, std::byte* share) const;
  Gradients result_of(int home, int worker, std::byte* result) const;
  Share& at(int home) { return shares_[static_cast<std::size_t>(home)]; }

  const BackwardCall& call_;
  DBiasSum d_bias_sum_;
  std::vector<Share> shares_;
  Workspace::Piece delta_piece_{}, dk_piece_{}, dv_piece_{};

  const Workspace* workspace_ = nullptr;
  Bhs delta_;
  Bshd dk_, dv_;  // sums over workers, which may share key heads
  Bias d_bias_;
  KernelScratch scratch_;
};

}  // namespace lvx
