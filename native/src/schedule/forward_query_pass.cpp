// SPDX-License-Identifier: Apache-2.0
#include "schedule/forward_query_pass.h"

#include "schedule/query_block.h"

namespace lvx {

ForwardQueryPass::ForwardQueryPass(Collective& collective, const Shards& shards, const ForwardCall& call)
    : QueryPass(collective, shards, call.shape, call.q.dtype),
      call_(call),
      packs_(queries_travel_ && (!call.visibility.everything() || !is_compact(call.q))),
      accumulates_(splits() && dtype_ != accumulator_),
      lse_sum_(call) {}

std::int64_t ForwardQueryPass::block_bytes(int home) const {
  return ForwardBlock::bytes(shape_of(home), dtype_, collective_.announced(home));
}

std::int64_t ForwardQueryPass::result_bytes(int home, int) const {
  const ProblemShape shape = shape_of(home);
  return shape.query_elements() * size_of(accumulator_) +
         MessageCursor::lse_bytes(shape, dtype_, collective_.announced(home));
}

std::size_t ForwardQueryPass::scratch_bytes(const ProblemShape& shape) const {
  return collective_.device().forward_scratch(shape, dtype_);
}

void ForwardQueryPass::reserve(Workspace& workspace) {
  if (packs_) packed_piece_ = workspace.reserve(block_bytes(rank_));
  if (accumulates_) accumulator_piece_ = workspace.reserve(own_.query_elements() * size_of(accumulator_));
  lse_sum_.reserve(workspace);
  reserve_scratch(workspace);
}

void ForwardQueryPass::begin(const Workspace& workspace) {
  scratch_.begin(workspace);
  if (packs_) {
    block_ = workspace.at(packed_piece_);
    ForwardBlock(own_, dtype_, collective_.announced(rank_), block_)
        .pack(collective_.device(), {call_.q, call_.visibility});
  } else {
    block_ = collective_.lend(call_.q.data, block_bytes(rank_));
  }
  sum_ = lse_sum_.begin(workspace, call_.o);
  if (accumulates_) sum_.o = compact_queries(workspace.at(accumulator_piece_), accumulator_, own_);
}

void ForwardQueryPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool add) {
  ForwardProblem block;
  block.shape = shape_of(rank_);
  block.shape.keys = end_key - first_key;
  block.shape.first_key += first_key;
  block.q = call_.q;
  block.k = call_.k.row_range(first_key, end_key);
  block.v = call_.v.row_range(first_key, end_key);
  block.visibility = call_.visibility;
  block.bias = of_queries(rank_, call_.bias).key_range(first_key, end_key);
  block.out = sum_;
  block.merge = add;
  collective_.device().forward(block, scratch_.memory());
}

// View of a partial result in a message or a sum.
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
  problem.bias = of_queries(home, call_.bias);
  return problem;
}

void ForwardQueryPass::compute_visitor(int home, std::byte* block, std::byte*, std::byte* result) {
  ForwardProblem problem = visitor(home, block);
  problem.out = result_of(home, result);
  collective_.device().forward(problem, scratch_.memory());
}

void ForwardQueryPass::merge(int, std::byte* result) {
  collective_.device().merge(result_of(rank_, result), sum_);
}

std::int64_t ForwardQueryPass::sum_bytes(int home) const { return result_bytes(home, rank_); }

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
  if (to.bias_max.data != nullptr) device.copy(from.bias_max, to.bias_max);
}

void ForwardQueryPass::finish() {
  lse_sum_.finish(collective_.device());
  if (accumulates_) collective_.device().copy(sum_.o, call_.o);
}

}  // namespace lvx
