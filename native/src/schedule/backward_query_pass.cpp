// SPDX-License-Identifier: Apache-2.0
#include "schedule/backward_query_pass.h"

#include "schedule/query_block.h"

namespace lvx {

BackwardQueryPass::BackwardQueryPass(Call& call, const Shards& shards, const AttentionBackward& arguments)
    : call_(call),
      shards_(shards),
      arguments_(arguments),
      dtype_(arguments.q.dtype),
      accumulator_(accumulator_of(dtype_)),
      travels_(shards.queries_see_others(call.rank())),
      visited_(shards.keys_seen_by_others(call.rank())),
      splits_(travels_ || visited_),
      narrow_(dtype_ != accumulator_),
      d_bias_sum_(arguments) {}

Problem BackwardQueryPass::problem_of(int home) const {
  Problem problem = arguments_.problem;
  problem.queries = shards_.queries(home);
  problem.first_key = shards_.key_begin(call_.rank());
  return problem;
}

std::int64_t BackwardQueryPass::block_bytes(int home) const {
  return BackwardBlock::bytes(problem_of(home), dtype_, call_.announced(home));
}

std::int64_t BackwardQueryPass::result_bytes(int home, int) const {
  return problem_of(home).query_elements() * size_of(dtype_);
}

void BackwardQueryPass::need_scratch(const Problem& problem) {
  scratch_.need(call_.device().backward_scratch(problem, dtype_));
}

void BackwardQueryPass::reserve(Workspace& workspace) {
  const int rank = call_.rank();
  const Problem own = problem_of(rank);
  if (travels_) {
    packed_piece_ = workspace.reserve(block_bytes(rank));
  } else {
    delta_piece_ = workspace.reserve(own.rows() * size_of(accumulator_));
  }
  if (narrow_ && splits_) dq_piece_ = workspace.reserve(own.query_elements() * size_of(accumulator_));
  if (narrow_ && visited_) {
    dk_piece_ = workspace.reserve(own.key_elements() * size_of(accumulator_));
    dv_piece_ = workspace.reserve(own.key_elements() * size_of(accumulator_));
  }
  d_bias_sum_.reserve(workspace);
  for (int home = 0; home < call_.size(); ++home) {
    if (visits(home, rank)) need_scratch(problem_of(home));
  }
  // Fewer keys can need more scratch: they may be cut another way.
  Problem part = problem_of(rank);
  part.keys = first_part();
  need_scratch(part);
  part.keys = arguments_.problem.keys - first_part();
  need_scratch(part);
  part = problem_of(rank);
  part.queries = 0;
  need_scratch(part);
  scratch_.reserve(workspace);
}

BackwardBlock BackwardQueryPass::parts_of(int home, std::byte* block) const {
  return {problem_of(home), dtype_, call_.announced(home), block};
}

// A share of dq as it lies in a message or a sum.
Bshd BackwardQueryPass::result_of(int home, DType dtype, std::byte* result) const {
  return MessageCursor(result).queries(problem_of(home), dtype);
}

// Without queries there is nothing but zeros to write.
void BackwardQueryPass::clear_key_gradients() {
  BackwardArguments nothing = against_keys(call_.rank(), own_, 0, arguments_.problem.keys);
  nothing.problem.queries = 0;
  nothing.d_bias = {};
  nothing.add_dkv = false;
  call_.device().backward(nothing, scratch_.memory());
}

void BackwardQueryPass::begin(const Workspace& workspace) {
  const Problem problem = problem_of(call_.rank());
  scratch_.begin(workspace);
  own_ = BackwardBlock(arguments_);
  if (travels_) {
    block_ = workspace.at(packed_piece_);
    const BackwardBlock message = parts_of(call_.rank(), block_);
    message.pack(call_.device(), problem, own_);
    own_ = message;
  } else {
    own_.delta = compact_bhs(workspace.at(delta_piece_), accumulator_, problem.query_heads, problem.queries);
  }
  call_.device().delta(problem, arguments_.o, arguments_.d_o, own_.delta);

  dq_ = arguments_.dq;
  dk_ = arguments_.dk;
  dv_ = arguments_.dv;
  if (narrow_ && splits_) {
    dq_ = compact_bshd(workspace.at(dq_piece_), accumulator_, problem.queries, problem.query_heads,
                       problem.head_dim);
  }
  if (narrow_ && visited_) {
    dk_ = compact_bshd(workspace.at(dk_piece_), accumulator_, problem.keys, problem.key_heads,
                       problem.head_dim);
    dv_ = compact_bshd(workspace.at(dv_piece_), accumulator_, problem.keys, problem.key_heads,
                       problem.head_dim);
  }
  d_bias_ = d_bias_sum_.begin(call_.device(), workspace);
  if (visited_) clear_key_gradients();
}

BackwardArguments BackwardQueryPass::against_keys(int home, const BackwardBlock& parts,
                                                  std::int64_t first_key, std::int64_t end_key) const {
  BackwardArguments result;
  result.problem = problem_of(home);
  result.problem.keys = end_key - first_key;
  result.problem.first_key += first_key;
  result.q = parts.q;
  result.k = arguments_.k.from_row(first_key);
  result.v = arguments_.v.from_row(first_key);
  result.d_o = parts.d_o;
  result.lse = parts.lse;
  result.delta = parts.delta;
  result.bias_max = parts.bias_max;
  result.visibility = parts.visibility;
  result.bias = arguments_.bias.from(shards_.query_begin(home), first_key);
  result.dk = dk_.from_row(first_key);
  result.dv = dv_.from_row(first_key);
  result.d_bias = d_bias_.from(shards_.query_begin(home), first_key);
  result.add_dkv = visited_;
  return result;
}

void BackwardQueryPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool add) {
  BackwardArguments block = against_keys(call_.rank(), own_, first_key, end_key);
  block.dq = dq_;
  block.add_dq = add;
  call_.device().backward(block, scratch_.memory());
}

// How many of this rank's own keys are computed at first.
std::int64_t BackwardQueryPass::first_part() const {
  return splits_ ? own_cut(call_.rank(), arguments_.problem.keys) : arguments_.problem.keys;
}

void BackwardQueryPass::compute_own_first() { compute_own(0, first_part(), false); }

void BackwardQueryPass::compute_own_second() {
  if (first_part() < arguments_.problem.keys) compute_own(first_part(), arguments_.problem.keys, true);
}

void BackwardQueryPass::compute_visitor(int home, std::byte* block, std::byte*, std::byte* result) {
  BackwardArguments arguments = against_keys(home, parts_of(home, block), 0, arguments_.problem.keys);
  arguments.dq = result_of(home, dtype_, result);
  call_.device().backward(arguments, scratch_.memory());
}

void BackwardQueryPass::merge(int, std::byte* result) {
  const Problem& problem = arguments_.problem;
  call_.device().add(problem.batch, problem.queries, problem.query_heads, problem.head_dim,
                     result_of(call_.rank(), dtype_, result), dq_);
}

std::int64_t BackwardQueryPass::sum_bytes(int home) const {
  return problem_of(home).query_elements() * size_of(accumulator_);
}

void BackwardQueryPass::start_sum(int home, std::byte* block, std::byte* sum) {
  BackwardArguments arguments = against_keys(home, parts_of(home, block), 0, arguments_.problem.keys);
  arguments.dq = result_of(home, accumulator_, sum);
  call_.device().backward(arguments, scratch_.memory());
}

void BackwardQueryPass::add_to_sum(int home, std::byte* result, std::byte* sum) {
  const Problem problem = problem_of(home);
  call_.device().add(problem.batch, problem.queries, problem.query_heads, problem.head_dim,
                     result_of(home, dtype_, result), result_of(home, accumulator_, sum));
}

void BackwardQueryPass::finish_sum(int home, std::byte* sum, std::byte* result) {
  const Problem problem = problem_of(home);
  call_.device().copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim,
                      result_of(home, accumulator_, sum), result_of(home, dtype_, result));
}

void BackwardQueryPass::finish() {
  const Problem& problem = arguments_.problem;
  Device& device = call_.device();
  if (narrow_ && splits_) {
    device.copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, dq_, arguments_.dq);
  }
  if (narrow_ && visited_) {
    device.copy(problem.batch, problem.keys, problem.key_heads, problem.head_dim, dk_, arguments_.dk);
    device.copy(problem.batch, problem.keys, problem.key_heads, problem.head_dim, dv_, arguments_.dv);
  }
  d_bias_sum_.finish(device);
}

}  // namespace lvx
