// SPDX-License-Identifier: Apache-2.0
#include "recompute/backward_tile_pass.h"

namespace lvx {

BackwardTilePass::BackwardTilePass(Call& call, const Shards& shards, const VisualBackward& arguments)
    : TilePass(call, shards, arguments.attention.problem, arguments.features, arguments.projection,
               arguments.tile_rows, KeyProjection::Use::kBackward, arguments.gradients),
      visual_(arguments),
      arguments_(arguments.attention),
      travels_(shards.queries_see_others(call.rank())),
      narrow_(dtype_ != accumulator_),
      d_bias_sum_(arguments_),
      homes_(static_cast<std::size_t>(call.size())) {}

std::int64_t BackwardTilePass::block_bytes(int home) const {
  return BackwardBlock::bytes(problem_of(home, {}), dtype_, call_.announced(home));
}

std::int64_t BackwardTilePass::result_bytes(int home) const {
  return problem_of(home, {}).query_elements() * size_of(accumulator_);
}

void BackwardTilePass::reserve(Workspace& workspace) {
  if (travels_) {
    packed_piece_ = workspace.reserve(block_bytes(call_.rank()));
  } else {
    delta_piece_ = workspace.reserve(own_.rows() * size_of(accumulator_));
  }
  if (narrow_) dq_piece_ = workspace.reserve(own_.query_elements() * size_of(accumulator_));
  if (needs_totals()) {
    for_each_home([&](int home) {
      const std::int64_t elements = problem_of(home, {}).query_elements();
      at(home).total = workspace.reserve(elements * size_of(DType::kFloat64));
    });
  }
  d_bias_sum_.reserve(workspace);
  keys_.reserve(workspace);
  scratch_.need(keys_.scratch_bytes());
  for_each_problem(
      [&](const Problem& problem) { scratch_.need(call_.device().backward_scratch(problem, dtype_)); });
  scratch_.reserve(workspace);
}

void BackwardTilePass::begin(const Workspace& workspace) {
  const int rank = call_.rank();
  Device& device = call_.device();
  workspace_ = &workspace;
  scratch_.begin(workspace);
  keys_.begin(workspace, scratch_.memory());
  Home& home = at(rank);
  home.block = BackwardBlock(arguments_);
  if (travels_) {
    block_ = workspace.at(packed_piece_);
    const BackwardBlock message(own_, dtype_, call_.announced(rank), block_);
    message.pack(device, own_, home.block);
    home.block = message;
  } else {
    home.block.delta = compact_bhs(workspace.at(delta_piece_), accumulator_, own_.query_heads, own_.queries);
  }
  device.delta(own_, arguments_.o, arguments_.d_o, home.block.delta);
  Bshd dq = arguments_.dq;
  if (narrow_) {
    dq = compact_bshd(workspace.at(dq_piece_), accumulator_, own_.queries, own_.query_heads, own_.head_dim);
  }
  home.dq = sum_in(rank, dq);
  d_bias_ = d_bias_sum_.begin(device, workspace);
}

void BackwardTilePass::arrive(int home, std::byte* block, std::byte* result) {
  at(home).block = {problem_of(home, {}), dtype_, call_.announced(home), block};
  at(home).dq = sum_in(home, result_of(home, result));
}

TileSum<Bshd> BackwardTilePass::sum_in(int home, const Bshd& group) const {
  const Problem problem = problem_of(home, {});
  if (!needs_totals()) return {problem, group, std::nullopt};
  return {problem, group, MessageCursor(workspace_->at(at(home).total)).queries(problem, DType::kFloat64)};
}

void BackwardTilePass::open(const Tile& tile) {
  open_ = tile;
  tile_started_ = false;
  keys_.open(tile.begin, tile.end);
  keys_.project();
  keys_.finish_keys();
}

BackwardArguments BackwardTilePass::against(int home, const Tile& tile) const {
  const BackwardBlock& block = at(home).block;
  BackwardArguments arguments;
  arguments.problem = problem_of(home, tile);
  arguments.q = block.q;
  arguments.d_o = block.d_o;
  arguments.lse = block.lse;
  arguments.delta = block.delta;
  arguments.bias_max = block.bias_max;
  arguments.visibility = block.visibility;
  arguments.bias = arguments_.bias.from(shards_.query_begin(home), tile.begin);
  arguments.d_bias = d_bias_.from(shards_.query_begin(home), tile.begin);
  arguments.dq = at(home).dq.group();
  arguments.add_dq = at(home).dq.adds();
  return arguments;
}

void BackwardTilePass::attend(int home) {
  BackwardArguments arguments = against(home, open_);
  arguments.k = keys_.keys();
  arguments.v = keys_.values();
  arguments.dk = keys_.key_gradients();
  arguments.dv = keys_.value_gradients();
  arguments.add_dkv = tile_started_;
  call_.device().backward(arguments, scratch_.memory());
  at(home).dq.count(call_.device());
  tile_started_ = true;
}

void BackwardTilePass::close() { keys_.push(keys_.raw_keys(), visual_.d_features); }

// A share of dq as it lies in a message.
Bshd BackwardTilePass::result_of(int home, std::byte* result) const {
  return MessageCursor(result).queries(problem_of(home, {}), accumulator_);
}

// This rank's queries may have seen none of its own keys: then nothing was written yet.
void BackwardTilePass::start_own() {
  const int rank = call_.rank();
  if (!at(rank).dq.empty()) return;
  call_.device().backward(against(rank, {}), scratch_.memory());
  at(rank).dq.count(call_.device());
}

void BackwardTilePass::merge(std::byte* result) {
  const int rank = call_.rank();
  start_own();
  at(rank).dq.add(call_.device(), result_of(rank, result));
}

void BackwardTilePass::finish() {
  start_own();
  Device& device = call_.device();
  TileSum<Bshd>& dq = at(call_.rank()).dq;
  dq.finish(device);
  if (narrow_) {
    device.copy(own_.batch, own_.queries, own_.query_heads, own_.head_dim, dq.group(), arguments_.dq);
  }
  keys_.finish();
  d_bias_sum_.finish(device);
}

}  // namespace lvx
