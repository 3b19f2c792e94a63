// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "schedule/attention_call.h"
#include "schedule/head_pass.h"
#include "schedule/lse_sum.h"

namespace lvx {

// Share: q, k, v, visibility and bias, with the worker's heads. Result: o in q's dtype and lse of these heads.
class ForwardHeadPass final : public HeadPass {
 public:
  ForwardHeadPass(Collective& collective, const Shards& shards, const ForwardCall& call);

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
  // View of a home's share at this rank, or of this rank's share for a worker.
  struct Share {
    Bshd q, k, v;
    Visibility visibility;
    Bias bias;
    Partial sum, result;
    bool started = false;
    Workspace::Piece sum_piece{};
  };

  Share layout(int home, int worker, std::byte* share) const;
  Partial result_of(int home, int worker, std::byte* result) const;
  Share& at(int home) { return shares_[static_cast<std::size_t>(home)]; }

  const ForwardCall& call_;
  std::vector<Share> shares_;
  LseSum lse_sum_;

  const Workspace* workspace_ = nullptr;
  Partial own_;  // where this rank's results are merged
  KernelScratch scratch_;
};

}  // namespace lvx
