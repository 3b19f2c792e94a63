// SPDX-License-Identifier: Apache-2.0
#include "schedule/forward_query_pass.h"

#include "schedule/query_block.h"

namespace lvx {

ForwardQueryPass::ForwardQueryPass(Call& call, const Shards& shards, const AttentionForward& arguments)
    : call_(call),
      shards_(shards),
      arguments_(arguments),
      dtype_(arguments.q.dtype),
      accumulator_(accumulator_of(dtype_)),
      travels_(shards.queries_see_others(call.rank())),
      splits_(travels_ || shards.keys_seen_by_others(call.rank())),
      packs_(travels_ && (!arguments.visibility.everything() ||
                          !is_compact(arguments.q, arguments.problem.batch, arguments.problem.queries,
                                      arguments.problem.query_heads, arguments.problem.head_dim))),
      accumulates_(splits_ && dtype_ != accumulator_),
      lse_sum_(arguments) {}

Problem ForwardQueryPass::problem_of(int home) const {
  Problem problem = arguments_.problem;
  problem.queries = shards_.queries(home);
  problem.first_key = shards_.key_begin(call_.rank());
  return problem;
}

std::int64_t ForwardQueryPass::block_bytes(int home) const {
  return ForwardBlock::bytes(problem_of(home), dtype_, call_.announced(home));
}

std::int64_t ForwardQueryPass::result_bytes(int home, int) const {
  const Problem problem = problem_of(home);
  return problem.query_elements() * size_of(accumulator_) +
         MessageCursor::lse_bytes(problem, dtype_, call_.announced(home));
}

void ForwardQueryPass::need_scratch(const Problem& problem) {
  scratch_.need(call_.device().forward_scratch(problem, dtype_));
}

void ForwardQueryPass::reserve(Workspace& workspace) {
  const int rank = call_.rank();
  if (packs_) packed_piece_ = workspace.reserve(block_bytes(rank));
  if (accumulates_)
    accumulator_piece_ = workspace.reserve(problem_of(rank).query_elements() * size_of(accumulator_));
  lse_sum_.reserve(workspace);
  for (int home = 0; home < call_.size(); ++home) {
    if (visits(home, rank)) need_scratch(problem_of(home));
  }
  // Fewer keys can need more scratch: they may be cut another way.
  Problem part = problem_of(rank);
  part.keys = first_part();
  need_scratch(part);
  part.keys = arguments_.problem.keys - first_part();
  need_scratch(part);
  scratch_.reserve(workspace);
}

void ForwardQueryPass::begin(const Workspace& workspace) {
  const Problem problem = problem_of(call_.rank());
  scratch_.begin(workspace);
  if (packs_) {
    block_ = workspace.at(packed_piece_);
    ForwardBlock(problem, dtype_, call_.announced(call_.rank()), block_)
        .pack(call_.device(), problem, {arguments_.q, arguments_.visibility});
  } else {
    block_ = call_.lend(arguments_.q.data, block_bytes(call_.rank()));
  }
  sum_ = lse_sum_.begin(workspace, arguments_.o);
  if (accumulates_) {
    sum_.o = compact_bshd(workspace.at(accumulator_piece_), accumulator_, problem.queries,
                          problem.query_heads, problem.head_dim);
  }
}

void ForwardQueryPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool merge) {
  ForwardArguments block;
  block.problem = problem_of(call_.rank());
  block.problem.keys = end_key - first_key;
  block.problem.first_key += first_key;
  block.q = arguments_.q;
  block.k = arguments_.k.from_row(first_key);
  block.v = arguments_.v.from_row(first_key);
  block.visibility = arguments_.visibility;
  block.bias = arguments_.bias.from(shards_.query_begin(call_.rank()), first_key);
  block.out = sum_;
  block.merge = merge;
  call_.device().forward(block, scratch_.memory());
}

// How many of this rank's own keys are computed at first.
std::int64_t ForwardQueryPass::first_part() const {
  return splits_ ? own_cut(call_.rank(), arguments_.problem.keys) : arguments_.problem.keys;
}

void ForwardQueryPass::compute_own_first() { compute_own(0, first_part(), false); }

void ForwardQueryPass::compute_own_second() {
  if (first_part() < arguments_.problem.keys) compute_own(first_part(), arguments_.problem.keys, true);
}

// A partial result as it lies in a message or a sum.
Partial ForwardQueryPass::result_of(int home, std::byte* result) const {
  return MessageCursor(result).partial(problem_of(home), accumulator_, call_.announced(home));
}

ForwardArguments ForwardQueryPass::visitor(int home, std::byte* block) const {
  ForwardArguments arguments;
  arguments.problem = problem_of(home);
  const ForwardBlock parts(arguments.problem, dtype_, call_.announced(home), block);
  arguments.q = parts.q;
  arguments.visibility = parts.visibility;
  arguments.k = arguments_.k;
  arguments.v = arguments_.v;
  arguments.bias = arguments_.bias.from(shards_.query_begin(home), 0);
  return arguments;
}

void ForwardQueryPass::compute_visitor(int home, std::byte* block, std::byte*, std::byte* result) {
  ForwardArguments arguments = visitor(home, block);
  arguments.out = result_of(home, result);
  call_.device().forward(arguments, scratch_.memory());
}

void ForwardQueryPass::merge(int, std::byte* result) {
  const int rank = call_.rank();
  call_.device().merge(problem_of(rank), result_of(rank, result), sum_);
}

std::int64_t ForwardQueryPass::sum_bytes(int home) const { return result_bytes(home, call_.rank()); }

void ForwardQueryPass::start_sum(int home, std::byte* block, std::byte* sum) {
  ForwardArguments arguments = visitor(home, block);
  arguments.out = result_of(home, sum);
  call_.device().forward(arguments, scratch_.memory());
}

void ForwardQueryPass::add_to_sum(int home, std::byte* result, std::byte* sum) {
  call_.device().merge(problem_of(home), result_of(home, result), result_of(home, sum));
}

void ForwardQueryPass::finish_sum(int home, std::byte* sum, std::byte* result) {
  const Problem problem = problem_of(home);
  const Partial from = result_of(home, sum);
  const Partial to = result_of(home, result);
  Device& device = call_.device();
  device.copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, from.o, to.o);
  device.copy(problem.batch, problem.query_heads, problem.queries, from.lse, to.lse);
  if (to.bias_max.data != nullptr) {
    device.copy(problem.batch, problem.query_heads, problem.queries, from.bias_max, to.bias_max);
  }
}

void ForwardQueryPass::finish() {
  lse_sum_.finish(call_.device());
  if (!accumulates_) return;
  const Problem& problem = arguments_.problem;
  call_.device().copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, sum_.o,
                      arguments_.o);
}

}  // namespace lvx
