// SPDX-License-Identifier: Apache-2.0
#include "schedule/forward_key_pass.h"

#include "schedule/bias_slice.h"
#include "schedule/message.h"

namespace lvx {

ForwardKeyPass::ForwardKeyPass(Call& call, const Shards& shards, const AttentionForward& arguments)
    : call_(call),
      shards_(shards),
      arguments_(arguments),
      dtype_(arguments.q.dtype),
      accumulator_(accumulator_of(dtype_)),
      travels_(shards.keys_seen_by_others(call.rank())),
      splits_(travels_ || shards.queries_see_others(call.rank())),
      accumulates_(splits_ && dtype_ != accumulator_),
      lse_sum_(arguments) {}

// This rank's queries against home's keys.
Problem ForwardKeyPass::problem_of(int home) const {
  Problem problem = arguments_.problem;
  problem.keys = shards_.keys(home);
  problem.first_key = shards_.key_begin(home);
  return problem;
}

std::int64_t ForwardKeyPass::block_bytes(int home) const {
  return 2 * problem_of(home).key_elements() * size_of(dtype_);
}

std::int64_t ForwardKeyPass::side_bytes(int home, int worker) const {
  const BiasSlice slice(call_.announced(home), shards_.queries(worker));
  return slice.bytes(slice.dtype());
}

void ForwardKeyPass::need_scratch(const Problem& problem) {
  scratch_.need(call_.device().forward_scratch(problem, dtype_));
}

void ForwardKeyPass::reserve(Workspace& workspace) {
  const int rank = call_.rank();
  if (travels_) packed_piece_ = workspace.reserve(block_bytes(rank));
  if (accumulates_) {
    accumulator_piece_ = workspace.reserve(arguments_.problem.query_elements() * size_of(accumulator_));
  }
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

void ForwardKeyPass::begin(const Workspace& workspace) {
  const Problem& problem = arguments_.problem;
  Device& device = call_.device();
  scratch_.begin(workspace);
  if (travels_) {
    block_ = workspace.at(packed_piece_);
    MessageCursor message(block_);
    for (const Bshd& part : {arguments_.k, arguments_.v}) {
      device.copy(problem.batch, problem.keys, problem.key_heads, problem.head_dim, part,
                  message.keys(problem, dtype_));
    }
  }
  sum_ = lse_sum_.begin(workspace, arguments_.o);
  if (accumulates_) {
    sum_.o = compact_bshd(workspace.at(accumulator_piece_), accumulator_, problem.queries,
                          problem.query_heads, problem.head_dim);
  }
}

void ForwardKeyPass::pack_side(int worker, std::byte* side) {
  const BiasSlice slice(call_.announced(call_.rank()), shards_.queries(worker));
  slice.copy(call_.device(), arguments_.bias.from(shards_.query_begin(worker), 0),
             slice.view(side, slice.dtype()));
}

void ForwardKeyPass::compute(const Problem& problem, const Bshd& k, const Bshd& v, const Bias& bias,
                             bool merge) {
  ForwardArguments block;
  block.problem = problem;
  block.q = arguments_.q;
  block.k = k;
  block.v = v;
  block.visibility = arguments_.visibility;
  block.bias = bias;
  block.out = sum_;
  block.merge = merge;
  call_.device().forward(block, scratch_.memory());
}

void ForwardKeyPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool merge) {
  Problem problem = problem_of(call_.rank());
  problem.keys = end_key - first_key;
  problem.first_key += first_key;
  compute(problem, arguments_.k.from_row(first_key), arguments_.v.from_row(first_key),
          arguments_.bias.from(shards_.query_begin(call_.rank()), first_key), merge);
}

// How many of this rank's own keys are computed at first.
std::int64_t ForwardKeyPass::first_part() const {
  return splits_ ? own_cut(call_.rank(), arguments_.problem.keys) : arguments_.problem.keys;
}

void ForwardKeyPass::compute_own_first() { compute_own(0, first_part(), false); }

void ForwardKeyPass::compute_own_second() {
  if (first_part() < arguments_.problem.keys) compute_own(first_part(), arguments_.problem.keys, true);
}

void ForwardKeyPass::compute_visitor(int home, std::byte* block, std::byte* side, std::byte*) {
  const Problem problem = problem_of(home);
  MessageCursor message(block);
  const Bshd k = message.keys(problem, dtype_);
  const Bshd v = message.keys(problem, dtype_);
  Bias bias;
  if (call_.announced(home).has_bias != 0) {
    const BiasSlice slice(call_.announced(home), arguments_.problem.queries);
    bias = slice.view(side, slice.dtype());
  }
  compute(problem, k, v, bias, true);
}

void ForwardKeyPass::finish() {
  lse_sum_.finish(call_.device());
  if (!accumulates_) return;
  const Problem& problem = arguments_.problem;
  call_.device().copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, sum_.o,
                      arguments_.o);
}

}  // namespace lvx
