// SPDX-License-Identifier: Apache-2.0
// Where the lse of a rank's queries is merged: in the caller's tensor or, if there is a bias or the caller wants two terms, in
// two terms, using the caller's tensors for them if there are any.
#pragma once

#include "schedule/attention_call.h"
#include "schedule/workspace.h"

namespace lvx {

class LseSum {
 public:
  explicit LseSum(const ForwardCall& call)
      : shape_(call.shape),
        wanted_(call.lse),
        terms_(call.lse_terms),
        splits_(!call.bias.none() || !terms_.none()),
        apart_(splits_ && terms_.none()) {}

  bool splits() const { return splits_; }

  void reserve(Workspace& workspace) {
    if (!apart_) return;
    max_piece_ = workspace.reserve(bytes());
    rest_piece_ = workspace.reserve(bytes());
  }
  // The partial result, with this o, into which the queries' results are merged.
  Partial begin(const Workspace& workspace, const Bshd& o) {
    if (!splits_) return {o, wanted_};
    if (apart_) terms_ = {compact(workspace.at(max_piece_)), compact(workspace.at(rest_piece_))};
    return {o, terms_.rest, terms_.bias_max};
  }
  void finish(Device& device) const {
    if (!splits_) return;
    device.sum(terms_.bias_max, terms_.rest, wanted_);
  }

 private:
  std::int64_t bytes() const { return shape_.rows() * size_of(wanted_.dtype); }
  Bhs compact(std::byte* data) const { return compact_row_values(data, wanted_.dtype, shape_); }

  ProblemShape shape_;
  Bhs wanted_;
  LseTerms terms_;
  bool splits_;
  bool apart_;
  Workspace::Piece max_piece_{}, rest_piece_{};
};

}  // namespace lvx
