// SPDX-License-Identifier: Apache-2.0
#include "schedule/backward_head_pass.h"

#include "schedule/message.h"

namespace lvx {

BackwardHeadPass::BackwardHeadPass(Call& call, const Shards& shards, const AttentionBackward& arguments)
    : call_(call),
      shards_(shards),
      arguments_(arguments),
      split_(call, arguments.problem),
      dtype_(arguments.q.dtype),
      accumulator_(accumulator_of(dtype_)),
      narrow_(dtype_ != accumulator_),
      d_bias_sum_(arguments),
      shares_(static_cast<std::size_t>(call.size())) {}

// Worker's heads of one rank's queries and one rank's keys.
Problem BackwardHeadPass::problem_of(int queries_home, int keys_home, int worker) const {
  Problem problem = arguments_.problem;
  problem.queries = shards_.queries(queries_home);
  problem.keys = shards_.keys(keys_home);
  problem.query_heads = split_.query_heads(worker).count;
  problem.key_heads = split_.key_heads(worker).count;
  problem.first_key = shards_.key_begin(keys_home);
  return problem;
}

// This rank's queries against no keys: gives the identity.
Problem BackwardHeadPass::nothing() const {
  Problem problem = arguments_.problem;
  problem.keys = 0;
  return problem;
}

BiasSlice BackwardHeadPass::slice_of(int home, int worker) const {
  return {call_.announced(home), shards_.all_queries(), split_.query_heads(worker).count};
}

std::int64_t BackwardHeadPass::share_bytes(int home, int worker) const {
  const Problem problem = problem_of(home, home, worker);
  std::int64_t bytes = 0;
  if (shards_.queries_see(home)) {
    bytes += BackwardBlock::bytes(problem, dtype_, call_.announced(home));
  }
  if (shards_.keys_seen(home)) {
    const BiasSlice slice = slice_of(home, worker);
    bytes += 2 * problem.key_elements() * size_of(dtype_) + slice.bytes(slice.dtype());
  }
  return bytes;
}

std::int64_t BackwardHeadPass::result_bytes(int home, int worker) const {
  const Problem problem = problem_of(home, home, worker);
  std::int64_t bytes = 0;
  if (shards_.queries_see(home)) bytes += problem.query_elements() * size_of(dtype_);
  if (shards_.keys_seen(home)) {
    bytes += 2 * problem.key_elements() * size_of(dtype_);
    if (call_.announced(home).wants_d_bias != 0) bytes += slice_of(home, worker).bytes(accumulator_);
  }
  return bytes;
}

BackwardHeadPass::Share BackwardHeadPass::layout(int home, int worker, std::byte* share) const {
  const Problem problem = problem_of(home, home, worker);
  const Announcement& announced = call_.announced(home);
  MessageCursor message(share);
  Share parts;
  if (shards_.queries_see(home)) {
    parts.queries = {problem, dtype_, announced, share};
    message = MessageCursor(share + BackwardBlock::bytes(problem, dtype_, announced));
  }
  if (shards_.keys_seen(home)) {
    parts.k = message.keys(problem, dtype_);
    parts.v = message.keys(problem, dtype_);
    const BiasSlice slice = slice_of(home, worker);
    if (announced.has_bias != 0) parts.bias = slice.view(message.rest(), slice.dtype());
  }
  return parts;
}

BackwardHeadPass::Gradients BackwardHeadPass::result_of(int home, int worker, std::byte* result) const {
  const Problem problem = problem_of(home, home, worker);
  MessageCursor message(result);
  Gradients gradients;
  if (shards_.queries_see(home)) gradients.dq = message.queries(problem, dtype_);
  if (shards_.keys_seen(home)) {
    gradients.dk = message.keys(problem, dtype_);
    gradients.dv = message.keys(problem, dtype_);
    if (call_.announced(home).wants_d_bias != 0) {
      gradients.d_bias = slice_of(home, worker).view(message.rest(), accumulator_);
    }
  }
  return gradients;
}

void BackwardHeadPass::reserve(Workspace& workspace) {
  const int rank = call_.rank();
  scratch_.need(call_.device().backward_scratch(nothing(), dtype_));
  const Problem& own = arguments_.problem;
  delta_piece_ = workspace.reserve(own.rows() * size_of(accumulator_));
  dk_piece_ = workspace.reserve(own.key_elements() * size_of(accumulator_));
  dv_piece_ = workspace.reserve(own.key_elements() * size_of(accumulator_));
  d_bias_sum_.reserve(workspace);
  for (int home = 0; home < call_.size(); ++home) {
    if (narrow_) {
      const Problem share = problem_of(home, home, rank);
      at(home).dq_piece = workspace.reserve(share.query_elements() * size_of(accumulator_));
      at(home).dk_piece = workspace.reserve(share.key_elements() * size_of(accumulator_));
      at(home).dv_piece = workspace.reserve(share.key_elements() * size_of(accumulator_));
    }
    for (int peer = 0; peer < call_.size(); ++peer) {
      if (!shards_.sees(home, peer)) continue;
      const Problem pair = problem_of(home, peer, rank);
      scratch_.need(call_.device().backward_scratch(pair, dtype_));
    }
  }
  scratch_.reserve(workspace);
}

void BackwardHeadPass::begin(const Workspace& workspace) {
  const Problem& own = arguments_.problem;
  Device& device = call_.device();
  workspace_ = &workspace;
  scratch_.begin(workspace);
  delta_ = compact_bhs(workspace.at(delta_piece_), accumulator_, own.query_heads, own.queries);
  device.delta(own, arguments_.o, arguments_.d_o, delta_);
  dk_ = compact_bshd(workspace.at(dk_piece_), accumulator_, own.keys, own.key_heads, own.head_dim);
  dv_ = compact_bshd(workspace.at(dv_piece_), accumulator_, own.keys, own.key_heads, own.head_dim);
  const auto bytes = static_cast<std::size_t>(own.key_elements() * size_of(accumulator_));
  device.zero(dk_.data, bytes);
  device.zero(dv_.data, bytes);
  d_bias_ = d_bias_sum_.begin(device, workspace);
  if (shards_.queries_see(call_.rank())) return;
  BackwardArguments identity;
  identity.problem = nothing();
  identity.q = arguments_.q;
  identity.d_o = arguments_.d_o;
  identity.lse = arguments_.lse;
  identity.delta = delta_;
  identity.dq = arguments_.dq;
  device.backward(identity, scratch_.memory());
}

void BackwardHeadPass::pack_share(int worker, std::byte* share) {
  const int rank = call_.rank();
  const Problem problem = problem_of(rank, rank, worker);
  const HeadRange queries = split_.query_heads(worker);
  const HeadRange keys = split_.key_heads(worker);
  Device& device = call_.device();
  const Share parts = layout(rank, worker, share);
  if (shards_.queries_see(rank)) {
    BackwardBlock own(arguments_);
    own.q = heads_of(own.q, queries);
    own.d_o = heads_of(own.d_o, queries);
    own.lse = heads_of(own.lse, queries);
    own.bias_max = heads_of(own.bias_max, queries);
    parts.queries.pack(device, problem, own);
    device.copy(problem.batch, problem.query_heads, problem.queries, heads_of(delta_, queries),
                parts.queries.delta);
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

void BackwardHeadPass::take_share(int home, std::byte* share, std::byte* result) {
  const int rank = call_.rank();
  const Problem problem = problem_of(home, home, rank);
  const Share pieces = at(home);
  at(home) = layout(home, rank, share);
  at(home).result = result_of(home, rank, result);
  at(home).sum = at(home).result;
  if (narrow_) {
    at(home).sum.dq = compact_bshd(workspace_->at(pieces.dq_piece), accumulator_, problem.queries,
                                   problem.query_heads, problem.head_dim);
    at(home).sum.dk = compact_bshd(workspace_->at(pieces.dk_piece), accumulator_, problem.keys,
                                   problem.key_heads, problem.head_dim);
    at(home).sum.dv = compact_bshd(workspace_->at(pieces.dv_piece), accumulator_, problem.keys,
                                   problem.key_heads, problem.head_dim);
  }
  if (!at(home).sum.d_bias.none()) {
    const auto bytes = static_cast<std::size_t>(slice_of(home, rank).bytes(accumulator_));
    call_.device().zero(at(home).sum.d_bias.data, bytes);
  }
}

void BackwardHeadPass::compute_pair(int queries_home, int keys_home) {
  if (!shards_.sees(queries_home, keys_home)) return;
  Share& queries = at(queries_home);
  Share& keys = at(keys_home);
  const std::int64_t first_query = shards_.query_begin(queries_home);
  BackwardArguments pair;
  pair.problem = problem_of(queries_home, keys_home, call_.rank());
  pair.q = queries.queries.q;
  pair.d_o = queries.queries.d_o;
  pair.lse = queries.queries.lse;
  pair.delta = queries.queries.delta;
  pair.bias_max = queries.queries.bias_max;
  pair.visibility = queries.queries.visibility;
  pair.k = keys.k;
  pair.v = keys.v;
  pair.bias = keys.bias.from(first_query, 0);
  pair.dq = queries.sum.dq;
  pair.dk = keys.sum.dk;
  pair.dv = keys.sum.dv;
  pair.d_bias = keys.sum.d_bias.from(first_query, 0);
  pair.add_dq = queries.queries_started;
  pair.add_dkv = keys.keys_started;
  call_.device().backward(pair, scratch_.memory());
  queries.queries_started = true;
  keys.keys_started = true;
}

void BackwardHeadPass::complete(int home) {
  if (!narrow_) return;
  const Problem problem = problem_of(home, home, call_.rank());
  const Share& share = at(home);
  Device& device = call_.device();
  if (shards_.queries_see(home)) {
    device.copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, share.sum.dq,
                share.result.dq);
  }
  if (shards_.keys_seen(home)) {
    device.copy(problem.batch, problem.keys, problem.key_heads, problem.head_dim, share.sum.dk,
                share.result.dk);
    device.copy(problem.batch, problem.keys, problem.key_heads, problem.head_dim, share.sum.dv,
                share.result.dv);
  }
}

void BackwardHeadPass::merge(int worker, std::byte* result) {
  const int rank = call_.rank();
  const Problem problem = problem_of(rank, rank, worker);
  const Gradients part = result_of(rank, worker, result);
  const HeadRange queries = split_.query_heads(worker);
  const HeadRange keys = split_.key_heads(worker);
  Device& device = call_.device();
  if (shards_.queries_see(rank)) {
    device.copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, part.dq,
                heads_of(arguments_.dq, queries));
  }
  if (shards_.keys_seen(rank)) {
    device.add(problem.batch, problem.keys, problem.key_heads, problem.head_dim, part.dk,
               heads_of(dk_, keys));
    device.add(problem.batch, problem.keys, problem.key_heads, problem.head_dim, part.dv,
               heads_of(dv_, keys));
    if (!part.d_bias.none()) slice_of(rank, worker).add(device, part.d_bias, heads_of(d_bias_, queries));
  }
}

void BackwardHeadPass::finish() {
  const Problem& own = arguments_.problem;
  Device& device = call_.device();
  device.copy(own.batch, own.keys, own.key_heads, own.head_dim, dk_, arguments_.dk);
  device.copy(own.batch, own.keys, own.key_heads, own.head_dim, dv_, arguments_.dv);
  d_bias_sum_.finish(device);
}

}  // namespace lvx
