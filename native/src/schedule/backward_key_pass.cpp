// SPDX-License-Identifier: Apache-2.0
#include "schedule/backward_key_pass.h"

#include "schedule/query_block.h"

namespace lvx {

BackwardKeyPass::BackwardKeyPass(Collective& collective, const Shards& shards, const BackwardCall& call)
    : KeyPass(collective, shards, call.shape, call.k, call.v, call.bias),
      call_(call),
      narrow_(dtype_ != accumulator_),
      d_bias_sum_(call) {}

std::int64_t BackwardKeyPass::result_bytes(int home, int worker) const {
  const bool wants_d_bias = collective_.announced(home).wants_d_bias != 0;
  return block_bytes(home) + (wants_d_bias ? slice_of(home, worker).bytes(accumulator_) : 0);
}

std::size_t BackwardKeyPass::scratch_bytes(const ProblemShape& shape) const {
  return collective_.device().backward_scratch(shape, dtype_);
}

void BackwardKeyPass::reserve(Workspace& workspace) {
  delta_piece_ = workspace.reserve(own_.rows() * size_of(accumulator_));
  reserve_block(workspace);
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

void BackwardKeyPass::begin(const Workspace& workspace) {
  Device& device = collective_.device();
  scratch_.begin(workspace);
  pack_block(workspace);
  delta_ = compact_row_values(workspace.at(delta_piece_), accumulator_, own_);
  device.delta(call_.o, call_.d_o, delta_);

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

BackwardProblem BackwardKeyPass::against(const ProblemShape& shape, const Bshd& k, const Bshd& v) const {
  BackwardProblem block;
  block.shape = shape;
  block.q = call_.q;
  block.k = k;
  block.v = v;
  block.d_o = call_.d_o;
  const BackwardBlock own(call_);
  block.lse = own.lse;
  block.bias_max = own.bias_max;
  block.delta = delta_;
  block.visibility = own.visibility;
  block.dq = dq_;
  return block;
}

// Writes zeros, by a backward call without queries.
void BackwardKeyPass::clear_key_gradients() {
  BackwardProblem nothing = against(shape_of(rank_), call_.k, call_.v);
  nothing.shape.queries = 0;
  nothing.dk = dk_;
  nothing.dv = dv_;
  collective_.device().backward(nothing, scratch_.memory());
}

void BackwardKeyPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool add) {
  ProblemShape shape = shape_of(rank_);
  shape.keys = end_key - first_key;
  shape.first_key += first_key;
  BackwardProblem block =
      against(shape, call_.k.row_range(first_key, end_key), call_.v.row_range(first_key, end_key));
  block.bias = of_queries(rank_, call_.bias).key_range(first_key, end_key);
  block.d_bias = of_queries(rank_, d_bias_).key_range(first_key, end_key);
  block.dk = dk_.row_range(first_key, end_key);
  block.dv = dv_.row_range(first_key, end_key);
  block.add_dq = add;
  block.add_dkv = keys_travel_;
  collective_.device().backward(block, scratch_.memory());
}

void BackwardKeyPass::compute_visitor(int home, std::byte* block, std::byte* side, std::byte* result) {
  const ProblemShape shape = shape_of(home);
  MessageCursor keys(block);
  const Bshd k = keys.keys(shape, dtype_);
  const Bshd v = keys.keys(shape, dtype_);
  BackwardProblem problem = against(shape, k, v);
  MessageCursor gradients(result);
  problem.dk = gradients.keys(shape, dtype_);
  problem.dv = gradients.keys(shape, dtype_);
  problem.add_dq = true;
  const Announcement& announced = collective_.announced(home);
  const BiasSlice slice = slice_of(home, rank_);
  if (announced.has_bias != 0) problem.bias = slice.view(side, slice.dtype());
  if (announced.wants_d_bias != 0) {
    problem.d_bias = slice.view(gradients.rest(), accumulator_);
    collective_.device().zero(gradients.rest(), static_cast<std::size_t>(slice.bytes(accumulator_)));
  }
  collective_.device().backward(problem, scratch_.memory());
}

void BackwardKeyPass::merge(int worker, std::byte* result) {
  Device& device = collective_.device();
  MessageCursor gradients(result);
  for (const Bshd& sum : {dk_, dv_}) device.add(gradients.keys(own_, dtype_), sum);
  if (d_bias_.none()) return;
  const Bias part = slice_of(rank_, worker).view(gradients.rest(), accumulator_);
  device.add(as_bshd(part), as_bshd(of_queries(worker, d_bias_)));
}

void BackwardKeyPass::finish() {
  Device& device = collective_.device();
  if (narrow_ && splits()) device.copy(dq_, call_.dq);
  if (narrow_ && keys_travel_) {
    device.copy(dk_, call_.dk);
    device.copy(dv_, call_.dv);
  }
  d_bias_sum_.finish(device);
}

}  // namespace lvx
