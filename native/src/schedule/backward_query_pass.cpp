// SPDX-License-Identifier: Apache-2.0
#include "schedule/backward_query_pass.h"

#include "schedule/query_block.h"

namespace lvx {

BackwardQueryPass::BackwardQueryPass(Collective& collective, const Shards& shards, const BackwardCall& call)
    : collective_(collective),
      shards_(shards),
      call_(call),
      dtype_(call.q.dtype),
      accumulator_(accumulator_of(dtype_)),
      travels_(shards.queries_see_others(collective.rank())),
      visited_(shards.keys_seen_by_others(collective.rank())),
      splits_(travels_ || visited_),
      narrow_(dtype_ != accumulator_),
      d_bias_sum_(call) {}

ProblemShape BackwardQueryPass::shape_of(int home) const {
  ProblemShape shape = call_.shape;
  shape.queries = shards_.queries(home);
  shape.first_key = shards_.key_begin(collective_.rank());
  shape.first_query = shards_.query_begin(home);
  return shape;
}

std::int64_t BackwardQueryPass::block_bytes(int home) const {
  return BackwardBlock::bytes(shape_of(home), dtype_, collective_.announced(home));
}

std::int64_t BackwardQueryPass::result_bytes(int home, int) const {
  return shape_of(home).query_elements() * size_of(dtype_);
}

void BackwardQueryPass::need_scratch(const ProblemShape& shape) {
  scratch_.need(collective_.device().backward_scratch(shape, dtype_));
}

void BackwardQueryPass::reserve(Workspace& workspace) {
  const int rank = collective_.rank();
  const ProblemShape own = shape_of(rank);
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
  for (int home = 0; home < collective_.size(); ++home) {
    if (visits(home, rank)) need_scratch(shape_of(home));
  }
  // Fewer keys can need more scratch: they may be cut another way.
  ProblemShape part = shape_of(rank);
  part.keys = first_part();
  need_scratch(part);
  part.keys = call_.shape.keys - first_part();
  need_scratch(part);
  part = shape_of(rank);
  part.queries = 0;
  need_scratch(part);
  scratch_.reserve(workspace);
}

BackwardBlock BackwardQueryPass::parts_of(int home, std::byte* block) const {
  return {shape_of(home), dtype_, collective_.announced(home), block};
}

// A share of dq in a message or a sum.
Bshd BackwardQueryPass::result_of(int home, DType dtype, std::byte* result) const {
  return MessageCursor(result).queries(shape_of(home), dtype);
}

// Without queries there is nothing but zeros to write.
void BackwardQueryPass::clear_key_gradients() {
  BackwardProblem nothing = against_keys(collective_.rank(), own_, 0, call_.shape.keys);
  nothing.shape.queries = 0;
  nothing.d_bias = {};
  nothing.add_dkv = false;
  collective_.device().backward(nothing, scratch_.memory());
}

void BackwardQueryPass::begin(const Workspace& workspace) {
  const ProblemShape shape = shape_of(collective_.rank());
  scratch_.begin(workspace);
  own_ = BackwardBlock(call_);
  if (travels_) {
    block_ = workspace.at(packed_piece_);
    const BackwardBlock message = parts_of(collective_.rank(), block_);
    message.pack(collective_.device(), own_);
    own_ = message;
  } else {
    own_.delta = compact_row_values(workspace.at(delta_piece_), accumulator_, shape);
  }
  collective_.device().delta(call_.o, call_.d_o, own_.delta);

  dq_ = call_.dq;
  dk_ = call_.dk;
  dv_ = call_.dv;
  if (narrow_ && splits_) {
    dq_ = compact_queries(workspace.at(dq_piece_), accumulator_, shape);
  }
  if (narrow_ && visited_) {
    dk_ = compact_keys(workspace.at(dk_piece_), accumulator_, shape);
    dv_ = compact_keys(workspace.at(dv_piece_), accumulator_, shape);
  }
  d_bias_ = d_bias_sum_.begin(collective_.device(), workspace);
  if (visited_) clear_key_gradients();
}

BackwardProblem BackwardQueryPass::against_keys(int home, const BackwardBlock& parts, std::int64_t first_key,
                                                std::int64_t end_key) const {
  const std::int64_t first_query = shards_.query_begin(home);
  const std::int64_t end_query = shards_.query_begin(home + 1);
  BackwardProblem result;
  result.shape = shape_of(home);
  result.shape.keys = end_key - first_key;
  result.shape.first_key += first_key;
  result.q = parts.q;
  result.k = call_.k.row_range(first_key, end_key);
  result.v = call_.v.row_range(first_key, end_key);
  result.d_o = parts.d_o;
  result.lse = parts.lse;
  result.delta = parts.delta;
  result.bias_max = parts.bias_max;
  result.visibility = parts.visibility;
  result.bias = call_.bias.row_range(first_query, end_query).key_range(first_key, end_key);
  result.dk = dk_.row_range(first_key, end_key);
  result.dv = dv_.row_range(first_key, end_key);
  result.d_bias = d_bias_.row_range(first_query, end_query).key_range(first_key, end_key);
  result.add_dkv = visited_;
  return result;
}

void BackwardQueryPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool add) {
  BackwardProblem block = against_keys(collective_.rank(), own_, first_key, end_key);
  block.dq = dq_;
  block.add_dq = add;
  collective_.device().backward(block, scratch_.memory());
}

// How many of this rank's own keys are computed at first.
std::int64_t BackwardQueryPass::first_part() const {
  return splits_ ? own_cut(collective_.rank(), call_.shape.keys) : call_.shape.keys;
}

void BackwardQueryPass::compute_own_first() { compute_own(0, first_part(), false); }

void BackwardQueryPass::compute_own_second() {
  if (first_part() < call_.shape.keys) compute_own(first_part(), call_.shape.keys, true);
}

void BackwardQueryPass::compute_visitor(int home, std::byte* block, std::byte*, std::byte* result) {
  BackwardProblem problem = against_keys(home, parts_of(home, block), 0, call_.shape.keys);
  problem.dq = result_of(home, dtype_, result);
  collective_.device().backward(problem, scratch_.memory());
}

void BackwardQueryPass::merge(int, std::byte* result) {
  collective_.device().add(result_of(collective_.rank(), dtype_, result), dq_);
}

std::int64_t BackwardQueryPass::sum_bytes(int home) const {
  return shape_of(home).query_elements() * size_of(accumulator_);
}

void BackwardQueryPass::start_sum(int home, std::byte* block, std::byte* sum) {
  BackwardProblem problem = against_keys(home, parts_of(home, block), 0, call_.shape.keys);
  problem.dq = result_of(home, accumulator_, sum);
  collective_.device().backward(problem, scratch_.memory());
}

void BackwardQueryPass::add_to_sum(int home, std::byte* result, std::byte* sum) {
  collective_.device().add(result_of(home, dtype_, result), result_of(home, accumulator_, sum));
}

void BackwardQueryPass::finish_sum(int home, std::byte* sum, std::byte* result) {
  collective_.device().copy(result_of(home, accumulator_, sum), result_of(home, dtype_, result));
}

void BackwardQueryPass::finish() {
  Device& device = collective_.device();
  if (narrow_ && splits_) {
    device.copy(dq_, call_.dq);
  }
  if (narrow_ && visited_) {
    device.copy(dk_, call_.dk);
    device.copy(dv_, call_.dv);
  }
  d_bias_sum_.finish(device);
}

}  // namespace lvx
