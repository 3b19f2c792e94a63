// SPDX-License-Identifier: Apache-2.0
#include "schedule/forward_head_pass.h"

#include "schedule/message.h"

namespace lvx {

ForwardHeadPass::ForwardHeadPass(Call& call, const Shards& shards, const AttentionForward& arguments)
    : call_(call),
      shards_(shards),
      arguments_(arguments),
      split_(call, arguments.problem),
      dtype_(arguments.q.dtype),
      accumulator_(accumulator_of(dtype_)),
      narrow_(dtype_ != accumulator_),
      shares_(static_cast<std::size_t>(call.size())),
      lse_sum_(arguments) {}

// Worker's heads of one rank's queries and one rank's keys.
Problem ForwardHeadPass::problem_of(int queries_home, int keys_home, int worker) const {
  Problem problem = arguments_.problem;
  problem.queries = shards_.queries(queries_home);
  problem.keys = shards_.keys(keys_home);
  problem.query_heads = split_.query_heads(worker).count;
  problem.key_heads = split_.key_heads(worker).count;
  problem.first_key = shards_.key_begin(keys_home);
  return problem;
}

// This rank's queries against no keys: gives the identity.
Problem ForwardHeadPass::nothing() const {
  Problem problem = arguments_.problem;
  problem.keys = 0;
  return problem;
}

BiasSlice ForwardHeadPass::slice_of(int home, int worker) const {
  return {call_.announced(home), shards_.all_queries(), split_.query_heads(worker).count};
}

std::int64_t ForwardHeadPass::share_bytes(int home, int worker) const {
  const Problem problem = problem_of(home, home, worker);
  std::int64_t bytes = 0;
  if (shards_.queries_see(home)) {
    bytes += problem.query_elements() * size_of(dtype_) +
             MessageCursor::range_bytes(problem, call_.announced(home).ranges);
  }
  if (shards_.keys_seen(home)) {
    const BiasSlice slice = slice_of(home, worker);
    bytes += 2 * problem.key_elements() * size_of(dtype_) + slice.bytes(slice.dtype());
  }
  return bytes;
}

std::int64_t ForwardHeadPass::result_bytes(int home, int worker) const {
  if (!shards_.queries_see(home)) return 0;
  const Problem problem = problem_of(home, home, worker);
  return problem.query_elements() * size_of(dtype_) +
         MessageCursor::lse_bytes(problem, dtype_, call_.announced(home));
}

ForwardHeadPass::Share ForwardHeadPass::layout(int home, int worker, std::byte* share) const {
  const Problem problem = problem_of(home, home, worker);
  const Announcement& announced = call_.announced(home);
  MessageCursor message(share);
  Share parts;
  if (shards_.queries_see(home)) {
    parts.q = message.queries(problem, dtype_);
    if (announced.has_visibility != 0) {
      parts.visibility =
          compact_visibility(message.ranges(problem, announced.ranges), problem.queries, announced.ranges);
    }
  }
  if (shards_.keys_seen(home)) {
    parts.k = message.keys(problem, dtype_);
    parts.v = message.keys(problem, dtype_);
    const BiasSlice slice = slice_of(home, worker);
    if (announced.has_bias != 0) parts.bias = slice.view(message.rest(), slice.dtype());
  }
  return parts;
}

Partial ForwardHeadPass::result_of(int home, int worker, std::byte* result) const {
  return MessageCursor(result).partial(problem_of(home, home, worker), dtype_, call_.announced(home));
}

void ForwardHeadPass::reserve(Workspace& workspace) {
  const int rank = call_.rank();
  scratch_.need(call_.device().forward_scratch(nothing(), dtype_));
  lse_sum_.reserve(workspace);
  for (int home = 0; home < call_.size(); ++home) {
    if (narrow_ && shards_.queries_see(home)) {
      at(home).sum_piece =
          workspace.reserve(problem_of(home, home, rank).query_elements() * size_of(accumulator_));
    }
    for (int peer = 0; peer < call_.size(); ++peer) {
      if (!shards_.sees(home, peer)) continue;
      const Problem pair = problem_of(home, peer, rank);
      scratch_.need(call_.device().forward_scratch(pair, dtype_));
    }
  }
  scratch_.reserve(workspace);
}

void ForwardHeadPass::begin(const Workspace& workspace) {
  workspace_ = &workspace;
  scratch_.begin(workspace);
  own_ = lse_sum_.begin(workspace, arguments_.o);
  if (shards_.queries_see(call_.rank())) return;
  ForwardArguments identity;
  identity.problem = nothing();
  identity.q = arguments_.q;
  identity.out = own_;
  call_.device().forward(identity, scratch_.memory());
}

void ForwardHeadPass::pack_share(int worker, std::byte* share) {
  const int rank = call_.rank();
  const Problem problem = problem_of(rank, rank, worker);
  const HeadRange queries = split_.query_heads(worker);
  const HeadRange keys = split_.key_heads(worker);
  Device& device = call_.device();
  const Share parts = layout(rank, worker, share);
  if (shards_.queries_see(rank)) {
    device.copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim,
                heads_of(arguments_.q, queries), parts.q);
    if (!parts.visibility.everything()) {
      device.copy(problem.batch, problem.queries, arguments_.visibility,
                  const_cast<std::int32_t*>(parts.visibility.data));
    }
  }
  if (shards_.keys_seen(rank)) {
    device.copy(problem.batch, problem.keys, problem.key_heads, problem.head_dim,
                heads_of(arguments_.k, keys), parts.k);
    device.copy(problem.batch, problem.keys, problem.key_heads, problem.head_dim,
                heads_of(arguments_.v, keys), parts.v);
    if (!parts.bias.none())
      slice_of(rank, worker).copy(device, heads_of(arguments_.bias, queries), parts.bias);
  }
}

void ForwardHeadPass::take_share(int home, std::byte* share, std::byte* result) {
  const int rank = call_.rank();
  const Workspace::Piece sum_piece = at(home).sum_piece;
  at(home) = layout(home, rank, share);
  if (!shards_.queries_see(home)) return;
  const Problem problem = problem_of(home, home, rank);
  at(home).result = result_of(home, rank, result);
  at(home).sum = at(home).result;
  if (narrow_) {
    at(home).sum.o = compact_bshd(workspace_->at(sum_piece), accumulator_, problem.queries,
                                  problem.query_heads, problem.head_dim);
  }
}

void ForwardHeadPass::compute_pair(int queries_home, int keys_home) {
  if (!shards_.sees(queries_home, keys_home)) return;
  Share& queries = at(queries_home);
  const Share& keys = at(keys_home);
  ForwardArguments pair;
  pair.problem = problem_of(queries_home, keys_home, call_.rank());
  pair.q = queries.q;
  pair.k = keys.k;
  pair.v = keys.v;
  pair.visibility = queries.visibility;
  pair.bias = keys.bias.from(shards_.query_begin(queries_home), 0);
  pair.out = queries.sum;
  pair.merge = queries.started;
  call_.device().forward(pair, scratch_.memory());
  queries.started = true;
}

void ForwardHeadPass::complete(int home) {
  if (!narrow_ || !shards_.queries_see(home)) return;
  const Problem problem = problem_of(home, home, call_.rank());
  call_.device().copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, at(home).sum.o,
                      at(home).result.o);
}

void ForwardHeadPass::merge(int worker, std::byte* result) {
  const Problem problem = problem_of(call_.rank(), call_.rank(), worker);
  const Partial part = result_of(call_.rank(), worker, result);
  const HeadRange heads = split_.query_heads(worker);
  Device& device = call_.device();
  device.copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, part.o,
              heads_of(own_.o, heads));
  device.copy(problem.batch, problem.query_heads, problem.queries, part.lse, heads_of(own_.lse, heads));
  if (own_.bias_max.data == nullptr) return;
  const Bhs bias_max = heads_of(own_.bias_max, heads);
  if (part.bias_max.data == nullptr) {
    device.zero(problem, bias_max);
  } else {
    device.copy(problem.batch, problem.query_heads, problem.queries, part.bias_max, bias_max);
  }
}

void ForwardHeadPass::finish() { lse_sum_.finish(call_.device()); }

}  // namespace lvx
