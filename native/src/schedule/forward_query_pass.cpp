// SPDX-License-Identifier: Apache-2.0
#include "schedule/forward_query_pass.h"

#include <algorithm>

#include "schedule/message.h"

namespace lvx {

ForwardQueryPass::ForwardQueryPass(Call& call, const Shards& shards, const AttentionForward& arguments)
    : call_(call),
      shards_(shards),
      arguments_(arguments),
      dtype_(arguments.q.dtype),
      accumulator_(accumulator_of(dtype_)),
      travels_(shards.travels(call.rank())),
      splits_(travels_ || shards.visited(call.rank())),
      packs_(travels_ && (!arguments.visibility.everything() ||
                          !is_compact(arguments.q, arguments.problem.batch, arguments.problem.queries,
                                      arguments.problem.query_heads, arguments.problem.head_dim))),
      accumulates_(splits_ && dtype_ != accumulator_) {}

Problem ForwardQueryPass::problem_of(int home) const {
  Problem problem = arguments_.problem;
  problem.queries = shards_.queries(home);
  problem.first_key = shards_.key_begin(call_.rank());
  return problem;
}

std::int64_t ForwardQueryPass::outbound_bytes(int home) const {
  const Problem problem = problem_of(home);
  return problem.query_elements() * size_of(dtype_) +
         MessageCursor::range_bytes(problem, call_.announced(home).ranges);
}

std::int64_t ForwardQueryPass::return_bytes(int home) const {
  const Problem problem = problem_of(home);
  return problem.query_elements() * size_of(dtype_) + problem.rows() * size_of(accumulator_);
}

void ForwardQueryPass::reserve(Workspace& workspace) {
  const int rank = call_.rank();
  if (packs_) packed_piece_ = workspace.reserve(outbound_bytes(rank));
  if (accumulates_) accumulator_piece_ = workspace.reserve(problem_of(rank).query_elements() * size_of(accumulator_));
  for (int home = 0; home < call_.size(); ++home) {
    if (home == rank || shards_.sees(home, rank)) {
      scratch_bytes_ = std::max(scratch_bytes_, call_.device().forward_scratch(problem_of(home), dtype_));
    }
  }
  scratch_piece_ = workspace.reserve(static_cast<std::int64_t>(scratch_bytes_));
}

void ForwardQueryPass::begin(const Workspace& workspace) {
  const Problem problem = problem_of(call_.rank());
  scratch_ = {workspace.at(scratch_piece_), scratch_bytes_};
  outbound_ = arguments_.q.data;
  if (packs_) {
    outbound_ = workspace.at(packed_piece_);
    MessageCursor message(outbound_);
    call_.device().copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, arguments_.q,
                        message.queries(problem, dtype_));
    if (!arguments_.visibility.everything()) {
      call_.device().copy(problem.batch, problem.queries, arguments_.visibility,
                          message.ranges(problem, arguments_.visibility.ranges));
    }
  }
  sum_ = {arguments_.o, arguments_.lse};
  if (accumulates_) {
    sum_.o = compact_bshd(workspace.at(accumulator_piece_), accumulator_, problem.queries, problem.query_heads,
                          problem.head_dim);
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
  call_.device().forward(block, scratch_);
}

void ForwardQueryPass::compute_own_first() {
  compute_own(0, splits_ ? arguments_.problem.keys / 2 : arguments_.problem.keys, false);
}

void ForwardQueryPass::compute_own_second() {
  if (splits_) compute_own(arguments_.problem.keys / 2, arguments_.problem.keys, true);
}

Partial ForwardQueryPass::result_of(int home, std::byte* result) const {
  const Problem problem = problem_of(home);
  MessageCursor message(result);
  Partial partial;
  partial.o = message.queries(problem, dtype_);
  partial.lse = message.row_values(problem, accumulator_);
  return partial;
}

void ForwardQueryPass::compute_visitor(int home, std::byte* outbound, std::byte* result) {
  ForwardArguments block;
  block.problem = problem_of(home);
  MessageCursor message(outbound);
  block.q = message.queries(block.problem, dtype_);
  block.k = arguments_.k;
  block.v = arguments_.v;
  if (call_.announced(home).has_visibility != 0) {
    const std::int64_t ranges = call_.announced(home).ranges;
    block.visibility = compact_visibility(message.ranges(block.problem, ranges), block.problem.queries, ranges);
  }
  block.bias = arguments_.bias.from(shards_.query_begin(home), 0);
  block.out = result_of(home, result);
  call_.device().forward(block, scratch_);
}

void ForwardQueryPass::merge(std::byte* result) {
  call_.device().merge(problem_of(call_.rank()), result_of(call_.rank(), result), sum_);
}

void ForwardQueryPass::finish() {
  if (!accumulates_) return;
  const Problem& problem = arguments_.problem;
  call_.device().copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, sum_.o, arguments_.o);
}

}  // namespace lvx
