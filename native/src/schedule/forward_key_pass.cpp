// SPDX-License-Identifier: Apache-2.0
#include "schedule/forward_key_pass.h"

namespace lvx {

ForwardKeyPass::ForwardKeyPass(Collective& collective, const Shards& shards, const ForwardCall& call)
    : KeyPass(collective, shards, call.shape, call.k, call.v, call.bias),
      call_(call),
      accumulates_(splits() && dtype_ != accumulator_),
      lse_sum_(call) {}

std::size_t ForwardKeyPass::scratch_bytes(const ProblemShape& shape) const {
  return collective_.device().forward_scratch(shape, dtype_);
}

void ForwardKeyPass::reserve(Workspace& workspace) {
  reserve_block(workspace);
  if (accumulates_) accumulator_piece_ = workspace.reserve(own_.query_elements() * size_of(accumulator_));
  lse_sum_.reserve(workspace);
  reserve_scratch(workspace);
}

void ForwardKeyPass::begin(const Workspace& workspace) {
  scratch_.begin(workspace);
  pack_block(workspace);
  sum_ = lse_sum_.begin(workspace, call_.o);
  if (accumulates_) sum_.o = compact_queries(workspace.at(accumulator_piece_), accumulator_, own_);
}

void ForwardKeyPass::compute(const ProblemShape& shape, const Bshd& k, const Bshd& v, const Bias& bias,
                             bool merge) {
  ForwardProblem block;
  block.shape = shape;
  block.q = call_.q;
  block.k = k;
  block.v = v;
  block.visibility = call_.visibility;
  block.bias = bias;
  block.out = sum_;
  block.merge = merge;
  collective_.device().forward(block, scratch_.memory());
}

void ForwardKeyPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool add) {
  ProblemShape shape = shape_of(rank_);
  shape.keys = end_key - first_key;
  shape.first_key += first_key;
  compute(shape, call_.k.row_range(first_key, end_key), call_.v.row_range(first_key, end_key),
          of_queries(rank_, call_.bias).key_range(first_key, end_key), add);
}

void ForwardKeyPass::compute_visitor(int home, std::byte* block, std::byte* side, std::byte*) {
  const ProblemShape shape = shape_of(home);
  MessageCursor message(block);
  const Bshd k = message.keys(shape, dtype_);
  const Bshd v = message.keys(shape, dtype_);
  const BiasSlice slice = slice_of(home, rank_);
  const bool biased = collective_.announced(home).has_bias != 0;
  compute(shape, k, v, biased ? slice.view(side, slice.dtype()) : Bias{}, true);
}

void ForwardKeyPass::finish() {
  lse_sum_.finish(collective_.device());
  if (accumulates_) collective_.device().copy(sum_.o, call_.o);
}

}  // namespace lvx
