// SPDX-License-Identifier: Apache-2.0
#include "schedule/backward_key_pass.h"

#include "schedule/bias_slice.h"
#include "schedule/message.h"
#include "schedule/query_block.h"

namespace lvx {

BackwardKeyPass::BackwardKeyPass(Call& call, const Shards& shards, const AttentionBackward& arguments)
    : call_(call),
      shards_(shards),
      arguments_(arguments),
      dtype_(arguments.q.dtype),
      accumulator_(accumulator_of(dtype_)),
      travels_(shards.keys_seen_by_others(call.rank())),
      splits_(travels_ || shards.queries_see_others(call.rank())),
      narrow_(dtype_ != accumulator_),
      d_bias_sum_(arguments) {}

// This rank's queries against home's keys.
Problem BackwardKeyPass::problem_of(int home) const {
  Problem problem = arguments_.problem;
  problem.keys = shards_.keys(home);
  problem.first_key = shards_.key_begin(home);
  return problem;
}

std::int64_t BackwardKeyPass::block_bytes(int home) const {
  return 2 * problem_of(home).key_elements() * size_of(dtype_);
}

std::int64_t BackwardKeyPass::side_bytes(int home, int worker) const {
  const BiasSlice slice(call_.announced(home), shards_.queries(worker));
  return slice.bytes(slice.dtype());
}

std::int64_t BackwardKeyPass::result_bytes(int home, int worker) const {
  const Announcement& announced = call_.announced(home);
  const BiasSlice slice(announced, shards_.queries(worker));
  return block_bytes(home) + (announced.wants_d_bias != 0 ? slice.bytes(accumulator_) : 0);
}

void BackwardKeyPass::need_scratch(const Problem& problem) {
  scratch_.need(call_.device().backward_scratch(problem, dtype_));
}

void BackwardKeyPass::reserve(Workspace& workspace) {
  const int rank = call_.rank();
  const Problem own = problem_of(rank);
  delta_piece_ = workspace.reserve(own.rows() * size_of(accumulator_));
  if (travels_) packed_piece_ = workspace.reserve(block_bytes(rank));
  if (narrow_ && splits_) dq_piece_ = workspace.reserve(own.query_elements() * size_of(accumulator_));
  if (narrow_ && travels_) {
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

void BackwardKeyPass::begin(const Workspace& workspace) {
  const Problem own = problem_of(call_.rank());
  Device& device = call_.device();
  scratch_.begin(workspace);
  if (travels_) {
    block_ = workspace.at(packed_piece_);
    MessageCursor message(block_);
    for (const Bshd& part : {arguments_.k, arguments_.v}) {
      device.copy(own.batch, own.keys, own.key_heads, own.head_dim, part, message.keys(own, dtype_));
    }
  }
  delta_ = compact_bhs(workspace.at(delta_piece_), accumulator_, own.query_heads, own.queries);
  device.delta(own, arguments_.o, arguments_.d_o, delta_);

  dq_ = arguments_.dq;
  dk_ = arguments_.dk;
  dv_ = arguments_.dv;
  if (narrow_ && splits_) {
    dq_ = compact_bshd(workspace.at(dq_piece_), accumulator_, own.queries, own.query_heads, own.head_dim);
  }
  if (narrow_ && travels_) {
    dk_ = compact_bshd(workspace.at(dk_piece_), accumulator_, own.keys, own.key_heads, own.head_dim);
    dv_ = compact_bshd(workspace.at(dv_piece_), accumulator_, own.keys, own.key_heads, own.head_dim);
  }
  d_bias_ = d_bias_sum_.begin(device, workspace);
  if (travels_) clear_key_gradients();
}

void BackwardKeyPass::pack_side(int worker, std::byte* side) {
  const BiasSlice slice(call_.announced(call_.rank()), shards_.queries(worker));
  slice.copy(call_.device(), arguments_.bias.from(shards_.query_begin(worker), 0),
             slice.view(side, slice.dtype()));
}

BackwardArguments BackwardKeyPass::against(const Problem& problem, const Bshd& k, const Bshd& v) const {
  BackwardArguments block;
  block.problem = problem;
  block.q = arguments_.q;
  block.k = k;
  block.v = v;
  block.d_o = arguments_.d_o;
  const BackwardBlock own(arguments_);
  block.lse = own.lse;
  block.bias_max = own.bias_max;
  block.delta = delta_;
  block.visibility = own.visibility;
  block.dq = dq_;
  return block;
}

// Without queries there is nothing but zeros to write.
void BackwardKeyPass::clear_key_gradients() {
  BackwardArguments nothing = against(problem_of(call_.rank()), arguments_.k, arguments_.v);
  nothing.problem.queries = 0;
  nothing.dk = dk_;
  nothing.dv = dv_;
  call_.device().backward(nothing, scratch_.memory());
}

void BackwardKeyPass::compute_own(std::int64_t first_key, std::int64_t end_key, bool add_dq) {
  Problem problem = problem_of(call_.rank());
  problem.keys = end_key - first_key;
  problem.first_key += first_key;
  BackwardArguments block =
      against(problem, arguments_.k.from_row(first_key), arguments_.v.from_row(first_key));
  const std::int64_t first_query = shards_.query_begin(call_.rank());
  block.bias = arguments_.bias.from(first_query, first_key);
  block.d_bias = d_bias_.from(first_query, first_key);
  block.dk = dk_.from_row(first_key);
  block.dv = dv_.from_row(first_key);
  block.add_dq = add_dq;
  block.add_dkv = travels_;
  call_.device().backward(block, scratch_.memory());
}

// How many of this rank's own keys are computed at first.
std::int64_t BackwardKeyPass::first_part() const {
  return splits_ ? own_cut(call_.rank(), arguments_.problem.keys) : arguments_.problem.keys;
}

void BackwardKeyPass::compute_own_first() { compute_own(0, first_part(), false); }

void BackwardKeyPass::compute_own_second() {
  if (first_part() < arguments_.problem.keys) compute_own(first_part(), arguments_.problem.keys, true);
}

void BackwardKeyPass::compute_visitor(int home, std::byte* block, std::byte* side, std::byte* result) {
  const Problem problem = problem_of(home);
  MessageCursor keys(block);
  const Bshd k = keys.keys(problem, dtype_);
  const Bshd v = keys.keys(problem, dtype_);
  BackwardArguments arguments = against(problem, k, v);
  MessageCursor gradients(result);
  arguments.dk = gradients.keys(problem, dtype_);
  arguments.dv = gradients.keys(problem, dtype_);
  arguments.add_dq = true;
  const Announcement& announced = call_.announced(home);
  const BiasSlice slice(announced, problem.queries);
  if (announced.has_bias != 0) arguments.bias = slice.view(side, slice.dtype());
  if (announced.wants_d_bias != 0) {
    arguments.d_bias = slice.view(gradients.rest(), accumulator_);
    call_.device().zero(gradients.rest(), static_cast<std::size_t>(slice.bytes(accumulator_)));
  }
  call_.device().backward(arguments, scratch_.memory());
}

void BackwardKeyPass::merge(int worker, std::byte* result) {
  const Problem own = problem_of(call_.rank());
  Device& device = call_.device();
  MessageCursor gradients(result);
  for (const Bshd& sum : {dk_, dv_}) {
    device.add(own.batch, own.keys, own.key_heads, own.head_dim, gradients.keys(own, dtype_), sum);
  }
  if (d_bias_.none()) return;
  const BiasSlice slice(call_.announced(call_.rank()), shards_.queries(worker));
  slice.add(device, slice.view(gradients.rest(), accumulator_), d_bias_.from(shards_.query_begin(worker), 0));
}

void BackwardKeyPass::finish() {
  const Problem& own = arguments_.problem;
  Device& device = call_.device();
  if (narrow_ && splits_) {
    device.copy(own.batch, own.queries, own.query_heads, own.head_dim, dq_, arguments_.dq);
  }
  if (narrow_ && travels_) {
    device.copy(own.batch, own.keys, own.key_heads, own.head_dim, dk_, arguments_.dk);
    device.copy(own.batch, own.keys, own.key_heads, own.head_dim, dv_, arguments_.dv);
  }
  d_bias_sum_.finish(device);
}

}  // namespace lvx
