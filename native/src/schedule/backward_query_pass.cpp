// SPDX-License-Identifier: Apache-2.0
#include "schedule/backward_query_pass.h"

namespace lvx {

BackwardQueryPass::BackwardQueryPass(Collective& collective, const Shards& shards, const BackwardCall& call)
    : QueryPass(collective, shards, call.shape, call.q.dtype),
      call_(call),
      narrow_(dtype_ != accumulator_),
      d_bias_sum_(call) {}

std::int64_t BackwardQueryPass::block_bytes(int home) const {
  return BackwardBlock::bytes(shape_of(home), dtype_, collective_.announced(home));
}

std::int64_t BackwardQueryPass::result_bytes(int home, int) const {
  return shape_of(home).query_elements() * size_of(dtype_);
}

std::size_t BackwardQueryPass::scratch_bytes(const ProblemShape& shape) const {
  return collective_.device().backward_scratch(shape, dtype_);
}

void BackwardQueryPass::reserve(Workspace& workspace) {
  if (queries_travel_) {
    packed_piece_ = workspace.reserve(block_bytes(rank_));
  } else {
    delta_piece_ = workspace.reserve(own_.rows() * size_of(accumulator_));
  }
  if (narrow_ && splits()) dq_piece_ = workspace.reserve(own_.query_elements() * size_of(accumulator_));
  if (narrow_ && keys_travel_) {
    dk_piece_ = workspace.reserve(own_.key_elements() * size_of(accumulator_));
    dv_piece_ = workspace.reserve(own_.key_elements() * size_of(accumulator_));
  }
  d_bias_sum_.reserve(workspace);
  ProblemShape nothing = shape_of(rank_);
  nothing.queries = 0;
  need_scratch(nothing);
  reserve_scratch(workspace);
}

BackwardBlock BackwardQueryPass::parts_of(int home, std::byte* block) const {
  return {shape_of(home), dtype_, collective_.announced(home), block};
}

// View of a share of dq in a message or a sum.
Bshd BackwardQueryPass::result_of(int home, DType dtype, std::byte* result) const {
  return MessageCursor(result).queries(shape_of(home), dtype);
}

// Writes zeros, by a backward call without queries.
void BackwardQueryPass::clear_key_gradients() {
  BackwardProblem nothing = against_keys(rank_, own_block_, 0, own_.keys);
  nothing.shape.queries = 0;
  nothing.d_bias = {};
  nothing.add_dkv = false;
  collective_.device().backward(nothing, scratch_.memory());
}

void BackwardQueryPass::begin(const Workspace& workspace) {
  Device& device = collective_.device();
  scratch_.begin(workspace);
  own_block_ = BackwardBlock(call_);
  if (queries_travel_) {
    block_ = workspace.at(packed_piece_);
    const BackwardBlock message = parts_of(rank_, block_);
    message.pack(device, own_block_);
    own_block_ = message;
  } else {
    own_block_.delta = compact_row_values(workspace.at(delta_piece_), accumulator_, own_);
  }
  device.delta(call_.o, call_.d_o, own_block_.delta);

  dq_ = call_.dq;
  dk_ = call_.dk;
  dv_ = call_.dv;
  if (narrow_ && splits()) dq_ = compact_queries(workspace.at(dq_piece_), accumulator_, own_);
  if (narrow_ && keys_travel_) {
    dk_ = compact_keys(workspace.at(dk_piece_), accumulator_, own_);
    dv_ = compact_keys(workspace.at(dv_piece_), accumulator_, own_);
  }
  d_bias_ = d_bias_sum_.begin(device, workspace);
  if (keys_travel_) clear_key_gradients();
}

BackwardProblem BackwardQueryPass::against_keys(int home, const BackwardBlock& parts, std::int64_t first_key,
                                                std::int64_t end_key) const {
  BackwardProblem problem;
  problem.shape = shape_of(home);
  problem.shape.keys = end_key - first_key;
  problem.shape.first_key += first_key;
  problem.q = parts.q;
  problem.k = call_.k.row_range(first_key, end_key);
  problem.v = call_.v.row_range(first_key, end_key);
  problem.d_o = parts.d_o;
  problem.lse = parts.lse;
  problem.delta = parts.delta;
  problem.bias_max = parts.bias_max;
  problem.visibility = parts.visibility;
  problem.bias = of_queries(home, call_.bias).key_range(first_key, end_key);
  problem.dk = dk_.row_range(first_key, end_key);
  problem.dv = dv_.row_range(first_key, end_key);
  problem.d_bias = of_queries(home, d_bias_).key_range(first_key, end_key);
  problem.add_dkv = keys_travel_;
  return problem;
}

void BackwardQueryPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool add) {
  BackwardProblem block = against_keys(rank_, own_block_, first_key, end_key);
  block.dq = dq_;
  block.add_dq = add;
  collective_.device().backward(block, scratch_.memory());
}

void BackwardQueryPass::compute_visitor(int home, std::byte* block, std::byte*, std::byte* result) {
  BackwardProblem problem = against_keys(home, parts_of(home, block), 0, own_.keys);
  problem.dq = result_of(home, dtype_, result);
  collective_.device().backward(problem, scratch_.memory());
}

void BackwardQueryPass::merge(int, std::byte* result) {
  collective_.device().add(result_of(rank_, dtype_, result), dq_);
}

std::int64_t BackwardQueryPass::sum_bytes(int home) const {
  return shape_of(home).query_elements() * size_of(accumulator_);
}

void BackwardQueryPass::start_sum(int home, std::byte* block, std::byte* sum) {
  BackwardProblem problem = against_keys(home, parts_of(home, block), 0, own_.keys);
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
  if (narrow_ && splits()) device.copy(dq_, call_.dq);
  if (narrow_ && keys_travel_) {
    device.copy(dk_, call_.dk);
    device.copy(dv_, call_.dv);
  }
  d_bias_sum_.finish(device);
}

}  // namespace lvx
