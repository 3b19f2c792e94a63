// SPDX-License-Identifier: Apache-2.0
#include "schedule/backward_key_pass.h"

#include "schedule/bias_slice.h"
#include "schedule/message.h"
#include "schedule/query_block.h"

namespace lvx {

BackwardKeyPass::BackwardKeyPass(Collective& collective, const Shards& shards, const BackwardCall& call)
    : collective_(collective),
      shards_(shards),
      call_(call),
      dtype_(call.q.dtype),
      accumulator_(accumulator_of(dtype_)),
      travels_(shards.keys_seen_by_others(collective.rank())),
      splits_(travels_ || shards.queries_see_others(collective.rank())),
      narrow_(dtype_ != accumulator_),
      d_bias_sum_(call) {}

// This rank's queries against home's keys.
ProblemShape BackwardKeyPass::shape_of(int home) const {
  ProblemShape shape = call_.shape;
  shape.keys = shards_.keys(home);
  shape.first_key = shards_.key_begin(home);
  shape.first_query = shards_.query_begin(collective_.rank());
  return shape;
}

std::int64_t BackwardKeyPass::block_bytes(int home) const {
  return 2 * shape_of(home).key_elements() * size_of(dtype_);
}

std::int64_t BackwardKeyPass::side_bytes(int home, int worker) const {
  const BiasSlice slice(collective_.announced(home), shards_.queries(worker));
  return slice.bytes(slice.dtype());
}

std::int64_t BackwardKeyPass::result_bytes(int home, int worker) const {
  const Announcement& announced = collective_.announced(home);
  const BiasSlice slice(announced, shards_.queries(worker));
  return block_bytes(home) + (announced.wants_d_bias != 0 ? slice.bytes(accumulator_) : 0);
}

void BackwardKeyPass::need_scratch(const ProblemShape& shape) {
  scratch_.need(collective_.device().backward_scratch(shape, dtype_));
}

void BackwardKeyPass::reserve(Workspace& workspace) {
  const int rank = collective_.rank();
  const ProblemShape own = shape_of(rank);
  delta_piece_ = workspace.reserve(own.rows() * size_of(accumulator_));
  if (travels_) packed_piece_ = workspace.reserve(block_bytes(rank));
  if (narrow_ && splits_) dq_piece_ = workspace.reserve(own.query_elements() * size_of(accumulator_));
  if (narrow_ && travels_) {
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

void BackwardKeyPass::begin(const Workspace& workspace) {
  const ProblemShape own = shape_of(collective_.rank());
  Device& device = collective_.device();
  scratch_.begin(workspace);
  if (travels_) {
    block_ = workspace.at(packed_piece_);
    MessageCursor message(block_);
    for (const Bshd& part : {call_.k, call_.v}) {
      device.copy(part, message.keys(own, dtype_));
    }
  }
  delta_ = compact_row_values(workspace.at(delta_piece_), accumulator_, own);
  device.delta(call_.o, call_.d_o, delta_);

  dq_ = call_.dq;
  dk_ = call_.dk;
  dv_ = call_.dv;
  if (narrow_ && splits_) {
    dq_ = compact_queries(workspace.at(dq_piece_), accumulator_, own);
  }
  if (narrow_ && travels_) {
    dk_ = compact_keys(workspace.at(dk_piece_), accumulator_, own);
    dv_ = compact_keys(workspace.at(dv_piece_), accumulator_, own);
  }
  d_bias_ = d_bias_sum_.begin(device, workspace);
  if (travels_) clear_key_gradients();
}

void BackwardKeyPass::pack_side(int worker, std::byte* side) {
  const BiasSlice slice(collective_.announced(collective_.rank()), shards_.queries(worker));
  const Bias part = call_.bias.row_range(shards_.query_begin(worker), shards_.query_begin(worker + 1));
  collective_.device().copy(as_bshd(part), as_bshd(slice.view(side, slice.dtype())));
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

// Without queries there is nothing but zeros to write.
void BackwardKeyPass::clear_key_gradients() {
  BackwardProblem nothing = against(shape_of(collective_.rank()), call_.k, call_.v);
  nothing.shape.queries = 0;
  nothing.dk = dk_;
  nothing.dv = dv_;
  collective_.device().backward(nothing, scratch_.memory());
}

void BackwardKeyPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool add_dq) {
  ProblemShape shape = shape_of(collective_.rank());
  shape.keys = end_key - first_key;
  shape.first_key += first_key;
  BackwardProblem block =
      against(shape, call_.k.row_range(first_key, end_key), call_.v.row_range(first_key, end_key));
  const std::int64_t first_query = shards_.query_begin(collective_.rank());
  const std::int64_t end_query = first_query + shape.queries;
  block.bias = call_.bias.row_range(first_query, end_query).key_range(first_key, end_key);
  block.d_bias = d_bias_.row_range(first_query, end_query).key_range(first_key, end_key);
  block.dk = dk_.row_range(first_key, end_key);
  block.dv = dv_.row_range(first_key, end_key);
  block.add_dq = add_dq;
  block.add_dkv = travels_;
  collective_.device().backward(block, scratch_.memory());
}

// How many of this rank's own keys are computed at first.
std::int64_t BackwardKeyPass::first_part() const {
  return splits_ ? own_cut(collective_.rank(), call_.shape.keys) : call_.shape.keys;
}

void BackwardKeyPass::compute_own_first() { compute_own(0, first_part(), false); }

void BackwardKeyPass::compute_own_second() {
  if (first_part() < call_.shape.keys) compute_own(first_part(), call_.shape.keys, true);
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
  const BiasSlice slice(announced, shape.queries);
  if (announced.has_bias != 0) problem.bias = slice.view(side, slice.dtype());
  if (announced.wants_d_bias != 0) {
    problem.d_bias = slice.view(gradients.rest(), accumulator_);
    collective_.device().zero(gradients.rest(), static_cast<std::size_t>(slice.bytes(accumulator_)));
  }
  collective_.device().backward(problem, scratch_.memory());
}

void BackwardKeyPass::merge(int worker, std::byte* result) {
  const ProblemShape own = shape_of(collective_.rank());
  Device& device = collective_.device();
  MessageCursor gradients(result);
  for (const Bshd& sum : {dk_, dv_}) {
    device.add(gradients.keys(own, dtype_), sum);
  }
  if (d_bias_.none()) return;
  const BiasSlice slice(collective_.announced(collective_.rank()), shards_.queries(worker));
  device.add(as_bshd(slice.view(gradients.rest(), accumulator_)),
             as_bshd(d_bias_.row_range(shards_.query_begin(worker), shards_.query_begin(worker + 1))));
}

void BackwardKeyPass::finish() {
  Device& device = collective_.device();
  if (narrow_ && splits_) {
    device.copy(dq_, call_.dq);
  }
  if (narrow_ && travels_) {
    device.copy(dk_, call_.dk);
    device.copy(dv_, call_.dv);
  }
  d_bias_sum_.finish(device);
}

}  // namespace lvx
