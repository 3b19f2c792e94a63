// SPDX-License-Identifier: Apache-2.0
#include "schedule/forward_head_pass.h"

#include "schedule/message.h"

namespace lvx {

ForwardHeadPass::ForwardHeadPass(Collective& collective, const Shards& shards, const ForwardCall& call)
    : HeadPass(collective, shards, call.shape, call.q.dtype),
      call_(call),
      shares_(static_cast<std::size_t>(collective.size())),
      lse_sum_(call) {}

std::int64_t ForwardHeadPass::share_bytes(int home, int worker) const {
  const ProblemShape shape = shape_of(home, home, worker);
  std::int64_t bytes = 0;
  if (shards_.queries_see(home)) {
    bytes += shape.query_elements() * size_of(dtype_) +
             MessageCursor::range_bytes(shape, collective_.announced(home).ranges);
  }
  if (shards_.keys_seen(home)) {
    const BiasSlice slice = slice_of(home, worker);
    bytes += 2 * shape.key_elements() * size_of(dtype_) + slice.bytes(slice.dtype());
  }
  return bytes;
}

std::int64_t ForwardHeadPass::result_bytes(int home, int worker) const {
  if (!shards_.queries_see(home)) return 0;
  const ProblemShape shape = shape_of(home, home, worker);
  return shape.query_elements() * size_of(dtype_) +
         MessageCursor::lse_bytes(shape, dtype_, collective_.announced(home));
}

ForwardHeadPass::Share ForwardHeadPass::layout(int home, int worker, std::byte* share) const {
  const ProblemShape shape = shape_of(home, home, worker);
  const Announcement& announced = collective_.announced(home);
  MessageCursor message(share);
  Share parts;
  if (shards_.queries_see(home)) {
    parts.q = message.queries(shape, dtype_);
    if (announced.has_visibility != 0) {
      parts.visibility = message.visibility(shape, announced.ranges);
    }
  }
  if (shards_.keys_seen(home)) {
    parts.k = message.keys(shape, dtype_);
    parts.v = message.keys(shape, dtype_);
    const BiasSlice slice = slice_of(home, worker);
    if (announced.has_bias != 0) parts.bias = slice.view(message.rest(), slice.dtype());
  }
  return parts;
}

Partial ForwardHeadPass::result_of(int home, int worker, std::byte* result) const {
  return MessageCursor(result).partial(shape_of(home, home, worker), dtype_, collective_.announced(home));
}

void ForwardHeadPass::reserve(Workspace& workspace) {
  scratch_.need(collective_.device().forward_scratch(nothing(), dtype_));
  lse_sum_.reserve(workspace);
  for (int home = 0; home < collective_.size(); ++home) {
    if (narrow_ && shards_.queries_see(home)) {
      at(home).sum_piece =
          workspace.reserve(shape_of(home, home, rank_).query_elements() * size_of(accumulator_));
    }
    for (int peer = 0; peer < collective_.size(); ++peer) {
      if (!shards_.sees(home, peer)) continue;
      const ProblemShape pair = shape_of(home, peer, rank_);
      scratch_.need(collective_.device().forward_scratch(pair, dtype_));
    }
  }
  scratch_.reserve(workspace);
}

void ForwardHeadPass::begin(const Workspace& workspace) {
  workspace_ = &workspace;
  scratch_.begin(workspace);
  own_ = lse_sum_.begin(workspace, call_.o);
  if (shards_.queries_see(rank_)) return;
  ForwardProblem identity;
  identity.shape = nothing();
  identity.q = call_.q;
  identity.out = own_;
  collective_.device().forward(identity, scratch_.memory());
}

void ForwardHeadPass::pack_share(int worker, std::byte* share) {
  const HeadRange queries = split_.query_heads(worker);
  const HeadRange keys = split_.key_heads(worker);
  Device& device = collective_.device();
  const Share parts = layout(rank_, worker, share);
  if (shards_.queries_see(rank_)) {
    device.copy(heads_of(call_.q, queries), parts.q);
    if (!parts.visibility.everything()) {
      device.copy(call_.visibility, const_cast<std::int32_t*>(parts.visibility.data));
    }
  }
  if (shards_.keys_seen(rank_)) {
    device.copy(heads_of(call_.k, keys), parts.k);
    device.copy(heads_of(call_.v, keys), parts.v);
    if (!parts.bias.none()) device.copy(as_bshd(heads_of(call_.bias, queries)), as_bshd(parts.bias));
  }
}

void ForwardHeadPass::take_share(int home, std::byte* share, std::byte* result) {
  const Workspace::Piece sum_piece = at(home).sum_piece;
  at(home) = layout(home, rank_, share);
  if (!shards_.queries_see(home)) return;
  const ProblemShape shape = shape_of(home, home, rank_);
  at(home).result = result_of(home, rank_, result);
  at(home).sum = at(home).result;
  if (narrow_) {
    at(home).sum.o = compact_queries(workspace_->at(sum_piece), accumulator_, shape);
  }
}

void ForwardHeadPass::compute_pair(int queries_home, int keys_home) {
  if (!shards_.sees(queries_home, keys_home)) return;
  Share& queries = at(queries_home);
  const Share& keys = at(keys_home);
  ForwardProblem pair;
  pair.shape = shape_of(queries_home, keys_home, rank_);
  pair.q = queries.q;
  pair.k = keys.k;
  pair.v = keys.v;
  pair.visibility = queries.visibility;
  pair.bias = of_queries(queries_home, keys.bias);
  pair.out = queries.sum;
  pair.merge = queries.started;
  collective_.device().forward(pair, scratch_.memory());
  queries.started = true;
}

void ForwardHeadPass::complete(int home) {
  if (!narrow_ || !shards_.queries_see(home)) return;
  collective_.device().copy(at(home).sum.o, at(home).result.o);
}

void ForwardHeadPass::merge(int worker, std::byte* result) {
  const Partial part = result_of(rank_, worker, result);
  const HeadRange heads = split_.query_heads(worker);
  Device& device = collective_.device();
  device.copy(part.o, heads_of(own_.o, heads));
  device.copy(part.lse, heads_of(own_.lse, heads));
  if (own_.bias_max.data == nullptr) return;
  const Bhs bias_max = heads_of(own_.bias_max, heads);
  if (part.bias_max.data == nullptr) {
    device.zero(bias_max);
  } else {
    device.copy(part.bias_max, bias_max);
  }
}

void ForwardHeadPass::finish() { lse_sum_.finish(collective_.device()); }

}  // namespace lvx
