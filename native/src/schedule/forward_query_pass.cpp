// SPDX-License-Identifier: Apache-2.0
#include "schedule/forward_query_pass.h"

#include "schedule/query_block.h"

namespace lvx {

ForwardQueryPass::ForwardQueryPass(Collective& collective, const Shards& shards, const ForwardCall& call)
    : collective_(collective),
      shards_(shards),
      call_(call),
      dtype_(call.q.dtype),
      accumulator_(accumulator_of(dtype_)),
      travels_(shards.queries_see_others(collective.rank())),
      splits_(travels_ || shards.keys_seen_by_others(collective.rank())),
      packs_(travels_ &&
             (!call.visibility.everything() || !is_compact(call.q, call.shape.batch, call.shape.queries,
                                                           call.shape.query_heads, call.shape.head_dim))),
      accumulates_(splits_ && dtype_ != accumulator_),
      lse_sum_(call) {}

ProblemShape ForwardQueryPass::shape_of(int home) const {
  ProblemShape shape = call_.shape;
  shape.queries = shards_.queries(home);
  shape.first_key = shards_.key_begin(collective_.rank());
  shape.first_query = shards_.query_begin(home);
  return shape;
}

std::int64_t ForwardQueryPass::block_bytes(int home) const {
  return ForwardBlock::bytes(shape_of(home), dtype_, collective_.announced(home));
}

std::int64_t ForwardQueryPass::result_bytes(int home, int) const {
  const ProblemShape shape = shape_of(home);
  return shape.query_elements() * size_of(accumulator_) +
         MessageCursor::lse_bytes(shape, dtype_, collective_.announced(home));
}

void ForwardQueryPass::need_scratch(const ProblemShape& shape) {
  scratch_.need(collective_.device().forward_scratch(shape, dtype_));
}

void ForwardQueryPass::reserve(Workspace& workspace) {
  const int rank = collective_.rank();
  if (packs_) packed_piece_ = workspace.reserve(block_bytes(rank));
  if (accumulates_)
    accumulator_piece_ = workspace.reserve(shape_of(rank).query_elements() * size_of(accumulator_));
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

void ForwardQueryPass::begin(const Workspace& workspace) {
  const ProblemShape shape = shape_of(collective_.rank());
  scratch_.begin(workspace);
  if (packs_) {
    block_ = workspace.at(packed_piece_);
    ForwardBlock(shape, dtype_, collective_.announced(collective_.rank()), block_)
        .pack(collective_.device(), shape, {call_.q, call_.visibility});
  } else {
    block_ = collective_.lend(call_.q.data, block_bytes(collective_.rank()));
  }
  sum_ = lse_sum_.begin(workspace, call_.o);
  if (accumulates_) {
    sum_.o = compact_bshd(workspace.at(accumulator_piece_), accumulator_, shape.queries, shape.query_heads,
                          shape.head_dim);
  }
}

void ForwardQueryPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool merge) {
  ForwardProblem block;
  block.shape = shape_of(collective_.rank());
  block.shape.keys = end_key - first_key;
  block.shape.first_key += first_key;
  block.q = call_.q;
  block.k = call_.k.from_row(first_key);
  block.v = call_.v.from_row(first_key);
  block.visibility = call_.visibility;
  block.bias = call_.bias.from(shards_.query_begin(collective_.rank()), first_key);
  block.out = sum_;
  block.merge = merge;
  collective_.device().forward(block, scratch_.memory());
}

// How many of this rank's own keys are computed at first.
std::int64_t ForwardQueryPass::first_part() const {
  return splits_ ? own_cut(collective_.rank(), call_.shape.keys) : call_.shape.keys;
}

void ForwardQueryPass::compute_own_first() { compute_own(0, first_part(), false); }

void ForwardQueryPass::compute_own_second() {
  if (first_part() < call_.shape.keys) compute_own(first_part(), call_.shape.keys, true);
}

// A partial result in a message or a sum.
Partial ForwardQueryPass::result_of(int home, std::byte* result) const {
  return MessageCursor(result).partial(shape_of(home), accumulator_, collective_.announced(home));
}

ForwardProblem ForwardQueryPass::visitor(int home, std::byte* block) const {
  ForwardProblem problem;
  problem.shape = shape_of(home);
  const ForwardBlock parts(problem.shape, dtype_, collective_.announced(home), block);
  problem.q = parts.q;
  problem.visibility = parts.visibility;
  problem.k = call_.k;
  problem.v = call_.v;
  problem.bias = call_.bias.from(shards_.query_begin(home), 0);
  return problem;
}

void ForwardQueryPass::compute_visitor(int home, std::byte* block, std::byte*, std::byte* result) {
  ForwardProblem problem = visitor(home, block);
  problem.out = result_of(home, result);
  collective_.device().forward(problem, scratch_.memory());
}

void ForwardQueryPass::merge(int, std::byte* result) {
  const int rank = collective_.rank();
  collective_.device().merge(shape_of(rank), result_of(rank, result), sum_);
}

std::int64_t ForwardQueryPass::sum_bytes(int home) const { return result_bytes(home, collective_.rank()); }

void ForwardQueryPass::start_sum(int home, std::byte* block, std::byte* sum) {
  ForwardProblem problem = visitor(home, block);
  problem.out = result_of(home, sum);
  collective_.device().forward(problem, scratch_.memory());
}

void ForwardQueryPass::add_to_sum(int home, std::byte* result, std::byte* sum) {
  collective_.device().merge(shape_of(home), result_of(home, result), result_of(home, sum));
}

void ForwardQueryPass::finish_sum(int home, std::byte* sum, std::byte* result) {
  const ProblemShape shape = shape_of(home);
  const Partial from = result_of(home, sum);
  const Partial to = result_of(home, result);
  Device& device = collective_.device();
  device.copy(shape.batch, shape.queries, shape.query_heads, shape.head_dim, from.o, to.o);
  device.copy(shape.batch, shape.query_heads, shape.queries, from.lse, to.lse);
  if (to.bias_max.data != nullptr) {
    device.copy(shape.batch, shape.query_heads, shape.queries, from.bias_max, to.bias_max);
  }
}

void ForwardQueryPass::finish() {
  lse_sum_.finish(collective_.device());
  if (!accumulates_) return;
  const ProblemShape& shape = call_.shape;
  collective_.device().copy(shape.batch, shape.queries, shape.query_heads, shape.head_dim, sum_.o, call_.o);
}

}  // namespace lvx
