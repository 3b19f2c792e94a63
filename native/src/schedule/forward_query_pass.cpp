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
      packs_(travels_ && (!call.visibility.everything() || !is_compact(call.q))),
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
        .pack(collective_.device(), {call_.q, call_.visibility});
  } else {
    block_ = collective_.lend(call_.q.data, block_bytes(collective_.rank()));
  }
  sum_ = lse_sum_.begin(workspace, call_.o);
  if (accumulates_) {
    sum_.o = compact_queries(workspace.at(accumulator_piece_), accumulator_, shape);
  }
}

// The bias of home's queries and this rank's keys.
Bias ForwardQueryPass::bias_of(int home) const {
  return call_.bias.row_range(shards_.query_begin(home), shards_.query_begin(home + 1));
}

void ForwardQueryPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool merge) {
  ForwardProblem block;
  block.shape = shape_of(collective_.rank());
  block.shape.keys = end_key - first_key;
  block.shape.first_key += first_key;
  block.q = call_.q;
  block.k = call_.k.row_range(first_key, end_key);
  block.v = call_.v.row_range(first_key, end_key);
  block.visibility = call_.visibility;
  block.bias = bias_of(collective_.rank()).key_range(first_key, end_key);
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
  problem.bias = bias_of(home);
  return problem;
}

void ForwardQueryPass::compute_visitor(int home, std::byte* block, std::byte*, std::byte* result) {
  ForwardProblem problem = visitor(home, block);
  problem.out = result_of(home, result);
  collective_.device().forward(problem, scratch_.memory());
}

void ForwardQueryPass::merge(int, std::byte* result) {
  const int rank = collective_.rank();
  collective_.device().merge(result_of(rank, result), sum_);
}

std::int64_t ForwardQueryPass::sum_bytes(int home) const { return result_bytes(home, collective_.rank()); }

void ForwardQueryPass::start_sum(int home, std::byte* block, std::byte* sum) {
  ForwardProblem problem = visitor(home, block);
  problem.out = result_of(home, sum);
  collective_.device().forward(problem, scratch_.memory());
}

void ForwardQueryPass::add_to_sum(int home, std::byte* result, std::byte* sum) {
  collective_.device().merge(result_of(home, result), result_of(home, sum));
}

void ForwardQueryPass::finish_sum(int home, std::byte* sum, std::byte* result) {
  const Partial from = result_of(home, sum);
  const Partial to = result_of(home, result);
  Device& device = collective_.device();
  device.copy(from.o, to.o);
  device.copy(from.lse, to.lse);
  if (to.bias_max.data != nullptr) {
    device.copy(from.bias_max, to.bias_max);
  }
}

void ForwardQueryPass::finish() {
  lse_sum_.finish(collective_.device());
  if (!accumulates_) return;
  collective_.device().copy(sum_.o, call_.o);
}

}  // namespace lvx
