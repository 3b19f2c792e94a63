// SPDX-License-Identifier: Apache-2.0
// Where the lse of a rank's queries is summed: in the caller's tensor; in two terms where there is a bias or they are
// wanted, the caller's then.
#pragma once

#include "schedule/attention_call.h"
#include "schedule/workspace.h"

namespace lvx {

class LseSum {
 public:
  explicit LseSum(const AttentionForward& arguments)
      : problem_(arguments.problem),
        wanted_(arguments.lse),
        terms_(arguments.lse_terms),
        splits_(!arguments.bias.none() || !terms_.none()),
        apart_(splits_ && terms_.none()) {}

  bool splits() const { return splits_; }

  void reserve(Workspace& workspace) {
    if (!apart_) return;
    max_piece_ = workspace.reserve(bytes());
    rest_piece_ = workspace.reserve(bytes());
  }
  // The partial result of o that the queries' results are merged into.
  Partial begin(const Workspace& workspace, const Bshd& o) {
    if (!splits_) return {o, wanted_};
    if (apart_) terms_ = {compact(workspace.at(max_piece_)), compact(workspace.at(rest_piece_))};
    return {o, terms_.rest, terms_.bias_max};
  }
  void finish(Device& device) const {
    if (!splits_) return;
    device.sum(problem_.batch, problem_.query_heads, problem_.queries, terms_.bias_max, terms_.rest, wanted_);
  }

 private:
  std::int64_t bytes() const { return problem_.rows() * size_of(wanted_.dtype); }
  Bhs compact(std::byte* data) const {
    return compact_bhs(data, wanted_.dtype, problem_.query_heads, problem_.queries);
  }

  Problem problem_;
  Bhs wanted_;
  LseTerms terms_;
  bool splits_;
  bool apart_;
  Workspace::Piece max_piece_{}, rest_piece_{};
};

}  // namespace lvx
