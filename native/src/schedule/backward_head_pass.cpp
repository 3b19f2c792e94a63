// SPDX-License-Identifier: Apache-2.0
#include "schedule/backward_head_pass.h"

#include "schedule/message.h"

namespace lvx {

BackwardHeadPass::BackwardHeadPass(Collective& collective, const Shards& shards, const BackwardCall& call)
    : HeadPass(collective, shards, call.shape, call.q.dtype),
      call_(call),
      d_bias_sum_(call),
      shares_(static_cast<std::size_t>(collective.size())) {}

std::int64_t BackwardHeadPass::share_bytes(int home, int worker) const {
  const ProblemShape shape = shape_of(home, home, worker);
  std::int64_t bytes = 0;
  if (shards_.queries_see(home)) {
    bytes += BackwardBlock::bytes(shape, dtype_, collective_.announced(home));
  }
  if (shards_.keys_seen(home)) {
    const BiasSlice slice = slice_of(home, worker);
    bytes += 2 * shape.key_elements() * size_of(dtype_) + slice.bytes(slice.dtype());
  }
  return bytes;
}

std::int64_t BackwardHeadPass::result_bytes(int home, int worker) const {
  const ProblemShape shape = shape_of(home, home, worker);
  std::int64_t bytes = 0;
  if (shards_.queries_see(home)) bytes += shape.query_elements() * size_of(dtype_);
  if (shards_.keys_seen(home)) {
    bytes += 2 * shape.key_elements() * size_of(dtype_);
    if (collective_.announced(home).wants_d_bias != 0) bytes += slice_of(home, worker).bytes(accumulator_);
  }
  return bytes;
}

BackwardHeadPass::Share BackwardHeadPass::layout(int home, int worker, std::byte* share) const {
  const ProblemShape shape = shape_of(home, home, worker);
  const Announcement& announced = collective_.announced(home);
  MessageCursor message(share);
  Share parts;
  if (shards_.queries_see(home)) {
    parts.queries = {shape, dtype_, announced, share};
    message = MessageCursor(share + BackwardBlock::bytes(shape, dtype_, announced));
  }
  if (shards_.keys_seen(home)) {
    parts.k = message.keys(shape, dtype_);
    parts.v = message.keys(shape, dtype_);
    const BiasSlice slice = slice_of(home, worker);
    if (announced.has_bias != 0) parts.bias = slice.view(message.rest(), slice.dtype());
  }
  return parts;
}

BackwardHeadPass::Gradients BackwardHeadPass::result_of(int home, int worker, std::byte* result) const {
  const ProblemShape shape = shape_of(home, home, worker);
  MessageCursor message(result);
  Gradients gradients;
  if (shards_.queries_see(home)) gradients.dq = message.queries(shape, dtype_);
  if (shards_.keys_seen(home)) {
    gradients.dk = message.keys(shape, dtype_);
    gradients.dv = message.keys(shape, dtype_);
    if (collective_.announced(home).wants_d_bias != 0) {
      gradients.d_bias = slice_of(home, worker).view(message.rest(), accumulator_);
    }
  }
  return gradients;
}

void BackwardHeadPass::reserve(Workspace& workspace) {
  scratch_.need(collective_.device().backward_scratch(nothing(), dtype_));
  delta_piece_ = workspace.reserve(own_.rows() * size_of(accumulator_));
  dk_piece_ = workspace.reserve(own_.key_elements() * size_of(accumulator_));
  dv_piece_ = workspace.reserve(own_.key_elements() * size_of(accumulator_));
  d_bias_sum_.reserve(workspace);
  for (int home = 0; home < collective_.size(); ++home) {
    if (narrow_) {
      const ProblemShape share = shape_of(home, home, rank_);
      at(home).dq_piece = workspace.reserve(share.query_elements() * size_of(accumulator_));
      at(home).dk_piece = workspace.reserve(share.key_elements() * size_of(accumulator_));
      at(home).dv_piece = workspace.reserve(share.key_elements() * size_of(accumulator_));
    }
    for (int peer = 0; peer < collective_.size(); ++peer) {
      if (!shards_.sees(home, peer)) continue;
      const ProblemShape pair = shape_of(home, peer, rank_);
      scratch_.need(collective_.device().backward_scratch(pair, dtype_));
    }
  }
  scratch_.reserve(workspace);
}

void BackwardHeadPass::begin(const Workspace& workspace) {
  Device& device = collective_.device();
  workspace_ = &workspace;
  scratch_.begin(workspace);
  delta_ = compact_row_values(workspace.at(delta_piece_), accumulator_, own_);
  device.delta(call_.o, call_.d_o, delta_);
  dk_ = compact_keys(workspace.at(dk_piece_), accumulator_, own_);
  dv_ = compact_keys(workspace.at(dv_piece_), accumulator_, own_);
  const auto bytes = static_cast<std::size_t>(own_.key_elements() * size_of(accumulator_));
  device.zero(dk_.data, bytes);
  device.zero(dv_.data, bytes);
  d_bias_ = d_bias_sum_.begin(device, workspace);
  if (shards_.queries_see(rank_)) return;
  BackwardProblem identity;
  identity.shape = nothing();
  identity.q = call_.q;
  identity.d_o = call_.d_o;
  identity.lse = call_.lse;
  identity.delta = delta_;
  identity.dq = call_.dq;
  device.backward(identity, scratch_.memory());
}

void BackwardHeadPass::pack_share(int worker, std::byte* share) {
  const HeadRange queries = split_.query_heads(worker);
  const HeadRange keys = split_.key_heads(worker);
  Device& device = collective_.device();
  const Share parts = layout(rank_, worker, share);
  if (shards_.queries_see(rank_)) {
    BackwardBlock own(call_);
    own.q = heads_of(own.q, queries);
    own.d_o = heads_of(own.d_o, queries);
    own.lse = heads_of(own.lse, queries);
    own.bias_max = heads_of(own.bias_max, queries);
    parts.queries.pack(device, own);
    device.copy(heads_of(delta_, queries), parts.queries.delta);
  }
  if (shards_.keys_seen(rank_)) {
    device.copy(heads_of(call_.k, keys), parts.k);
    device.copy(heads_of(call_.v, keys), parts.v);
    if (!parts.bias.none()) device.copy(as_bshd(heads_of(call_.bias, queries)), as_bshd(parts.bias));
  }
}

void BackwardHeadPass::take_share(int home, std::byte* share, std::byte* result) {
  const ProblemShape shape = shape_of(home, home, rank_);
  const Share pieces = at(home);
  at(home) = layout(home, rank_, share);
  at(home).result = result_of(home, rank_, result);
  at(home).sum = at(home).result;
  if (narrow_) {
    at(home).sum.dq = compact_queries(workspace_->at(pieces.dq_piece), accumulator_, shape);
    at(home).sum.dk = compact_keys(workspace_->at(pieces.dk_piece), accumulator_, shape);
    at(home).sum.dv = compact_keys(workspace_->at(pieces.dv_piece), accumulator_, shape);
  }
  if (!at(home).sum.d_bias.none()) {
    const auto bytes = static_cast<std::size_t>(slice_of(home, rank_).bytes(accumulator_));
    collective_.device().zero(at(home).sum.d_bias.data, bytes);
  }
}

void BackwardHeadPass::compute_pair(int queries_home, int keys_home) {
  if (!shards_.sees(queries_home, keys_home)) return;
  Share& queries = at(queries_home);
  Share& keys = at(keys_home);
  BackwardProblem pair;
  pair.shape = shape_of(queries_home, keys_home, rank_);
  pair.q = queries.queries.q;
  pair.d_o = queries.queries.d_o;
  pair.lse = queries.queries.lse;
  pair.delta = queries.queries.delta;
  pair.bias_max = queries.queries.bias_max;
  pair.visibility = queries.queries.visibility;
  pair.k = keys.k;
  pair.v = keys.v;
  pair.bias = of_queries(queries_home, keys.bias);
  pair.dq = queries.sum.dq;
  pair.dk = keys.sum.dk;
  pair.dv = keys.sum.dv;
  pair.d_bias = of_queries(queries_home, keys.sum.d_bias);
  pair.add_dq = queries.queries_started;
  pair.add_dkv = keys.keys_started;
  collective_.device().backward(pair, scratch_.memory());
  queries.queries_started = true;
  keys.keys_started = true;
}

void BackwardHeadPass::complete(int home) {
  if (!narrow_) return;
  const Share& share = at(home);
  Device& device = collective_.device();
  if (shards_.queries_see(home)) {
    device.copy(share.sum.dq, share.result.dq);
  }
  if (shards_.keys_seen(home)) {
    device.copy(share.sum.dk, share.result.dk);
    device.copy(share.sum.dv, share.result.dv);
  }
}

void BackwardHeadPass::merge(int worker, std::byte* result) {
  const Gradients part = result_of(rank_, worker, result);
  const HeadRange queries = split_.query_heads(worker);
  const HeadRange keys = split_.key_heads(worker);
  Device& device = collective_.device();
  if (shards_.queries_see(rank_)) {
    device.copy(part.dq, heads_of(call_.dq, queries));
  }
  if (shards_.keys_seen(rank_)) {
    device.add(part.dk, heads_of(dk_, keys));
    device.add(part.dv, heads_of(dv_, keys));
    if (!part.d_bias.none()) device.add(as_bshd(part.d_bias), as_bshd(heads_of(d_bias_, queries)));
  }
}

void BackwardHeadPass::finish() {
  Device& device = collective_.device();
  device.copy(dk_, call_.dk);
  device.copy(dv_, call_.dv);
  d_bias_sum_.finish(device);
}

}  // namespace lvx
