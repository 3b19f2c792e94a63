// SPDX-License-Identifier: Apache-2.0
#include "schedule/forward_key_pass.h"

#include "schedule/bias_slice.h"
#include "schedule/message.h"

namespace lvx {

ForwardKeyPass::ForwardKeyPass(Collective& collective, const Shards& shards, const ForwardCall& call)
    : collective_(collective),
      shards_(shards),
      call_(call),
      dtype_(call.q.dtype),
      accumulator_(accumulator_of(dtype_)),
      travels_(shards.keys_seen_by_others(collective.rank())),
      splits_(travels_ || shards.queries_see_others(collective.rank())),
      accumulates_(splits_ && dtype_ != accumulator_),
      lse_sum_(call) {}

// This rank's queries against home's keys.
ProblemShape ForwardKeyPass::shape_of(int home) const {
  ProblemShape shape = call_.shape;
  shape.keys = shards_.keys(home);
  shape.first_key = shards_.key_begin(home);
  shape.first_query = shards_.query_begin(collective_.rank());
  return shape;
}

std::int64_t ForwardKeyPass::block_bytes(int home) const {
  return 2 * shape_of(home).key_elements() * size_of(dtype_);
}

std::int64_t ForwardKeyPass::side_bytes(int home, int worker) const {
  const BiasSlice slice(collective_.announced(home), shards_.queries(worker));
  return slice.bytes(slice.dtype());
}

void ForwardKeyPass::need_scratch(const ProblemShape& shape) {
  scratch_.need(collective_.device().forward_scratch(shape, dtype_));
}

void ForwardKeyPass::reserve(Workspace& workspace) {
  const int rank = collective_.rank();
  if (travels_) packed_piece_ = workspace.reserve(block_bytes(rank));
  if (accumulates_) {
    accumulator_piece_ = workspace.reserve(call_.shape.query_elements() * size_of(accumulator_));
  }
  lse_sum_.reserve(workspace);
  for (int home = 0; home < collective_.size(); ++home) {
    if (visits(home, rank)) need_scratch(shape_of(home));
  }
  // Fewer keys can need more scratch: they may be cut another way.
  ProblemShape part = shape_of(rank);
  part.keys = first_part();
  need_scratch(part);
  part.keys = call_.shape.keys - first_part();
  need_scratch(part);
  scratch_.reserve(workspace);
}

void ForwardKeyPass::begin(const Workspace& workspace) {
  const ProblemShape& shape = call_.shape;
  Device& device = collective_.device();
  scratch_.begin(workspace);
  if (travels_) {
    block_ = workspace.at(packed_piece_);
    MessageCursor message(block_);
    for (const Bshd& part : {call_.k, call_.v}) {
      device.copy(part, message.keys(shape, dtype_));
    }
  }
  sum_ = lse_sum_.begin(workspace, call_.o);
  if (accumulates_) {
    sum_.o = compact_queries(workspace.at(accumulator_piece_), accumulator_, shape);
  }
}

void ForwardKeyPass::pack_side(int worker, std::byte* side) {
  const BiasSlice slice(collective_.announced(collective_.rank()), shards_.queries(worker));
  const Bias part = call_.bias.row_range(shards_.query_begin(worker), shards_.query_begin(worker + 1));
  collective_.device().copy(as_bshd(part), as_bshd(slice.view(side, slice.dtype())));
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

void ForwardKeyPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool merge) {
  ProblemShape shape = shape_of(collective_.rank());
  shape.keys = end_key - first_key;
  shape.first_key += first_key;
  const Bias bias = call_.bias.row_range(shape.first_query, shape.first_query + shape.queries);
  compute(shape, call_.k.row_range(first_key, end_key), call_.v.row_range(first_key, end_key),
          bias.key_range(first_key, end_key), merge);
}

// How many of this rank's own keys are computed at first.
std::int64_t ForwardKeyPass::first_part() const {
  return splits_ ? own_cut(collective_.rank(), call_.shape.keys) : call_.shape.keys;
}

void ForwardKeyPass::compute_own_first() { compute_own(0, first_part(), false); }

void ForwardKeyPass::compute_own_second() {
  if (first_part() < call_.shape.keys) compute_own(first_part(), call_.shape.keys, true);
}

void ForwardKeyPass::compute_visitor(int home, std::byte* block, std::byte* side, std::byte*) {
  const ProblemShape shape = shape_of(home);
  MessageCursor message(block);
  const Bshd k = message.keys(shape, dtype_);
  const Bshd v = message.keys(shape, dtype_);
  Bias bias;
  if (collective_.announced(home).has_bias != 0) {
    const BiasSlice slice(collective_.announced(home), call_.shape.queries);
    bias = slice.view(side, slice.dtype());
  }
  compute(shape, k, v, bias, true);
}

void ForwardKeyPass::finish() {
  lse_sum_.finish(collective_.device());
  if (!accumulates_) return;
  collective_.device().copy(sum_.o, call_.o);
}

}  // namespace lvx
