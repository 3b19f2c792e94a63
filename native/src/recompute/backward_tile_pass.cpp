// SPDX-License-Identifier: Apache-2.0
#include "recompute/backward_tile_pass.h"

namespace lvx {

BackwardTilePass::BackwardTilePass(Collective& collective, const Shards& shards,
                                   const VisualBackwardCall& call)
    : TilePass(collective, shards, call.attention.shape, call.features, call.projection, call.tile_rows,
               KeyProjection::Use::kBackward, call.gradients),
      visual_(call),
      call_(call.attention),
      travels_(shards.queries_see_others(collective.rank())),
      narrow_(dtype_ != accumulator_),
      d_bias_sum_(call_),
      homes_(static_cast<std::size_t>(collective.size())) {}

std::int64_t BackwardTilePass::block_bytes(int home) const {
  return BackwardBlock::bytes(shape_of(home, {}), dtype_, collective_.announced(home));
}

std::int64_t BackwardTilePass::result_bytes(int home) const {
  return shape_of(home, {}).query_elements() * size_of(accumulator_);
}

void BackwardTilePass::reserve(Workspace& workspace) {
  if (travels_) {
    packed_piece_ = workspace.reserve(block_bytes(collective_.rank()));
  } else {
    delta_piece_ = workspace.reserve(own_.rows() * size_of(accumulator_));
  }
  if (narrow_) dq_piece_ = workspace.reserve(own_.query_elements() * size_of(accumulator_));
  if (needs_totals()) {
    for_each_home([&](int home) {
      const std::int64_t elements = shape_of(home, {}).query_elements();
      at(home).total = workspace.reserve(elements * size_of(DType::kFloat64));
    });
  }
  d_bias_sum_.reserve(workspace);
  keys_.reserve(workspace);
  scratch_.need(keys_.scratch_bytes());
  for_each_shape([&](const ProblemShape& shape) {
    scratch_.need(collective_.device().backward_scratch(shape, dtype_));
  });
  scratch_.reserve(workspace);
}

void BackwardTilePass::begin(const Workspace& workspace) {
  const int rank = collective_.rank();
  Device& device = collective_.device();
  workspace_ = &workspace;
  scratch_.begin(workspace);
  keys_.begin(workspace, scratch_.memory());
  Home& home = at(rank);
  home.block = BackwardBlock(call_);
  if (travels_) {
    block_ = workspace.at(packed_piece_);
    const BackwardBlock message(own_, dtype_, collective_.announced(rank), block_);
    message.pack(device, home.block);
    home.block = message;
  } else {
    home.block.delta = compact_row_values(workspace.at(delta_piece_), accumulator_, own_);
  }
  device.delta(call_.o, call_.d_o, home.block.delta);
  Bshd dq = call_.dq;
  if (narrow_) {
    dq = compact_queries(workspace.at(dq_piece_), accumulator_, own_);
  }
  home.dq = sum_in(rank, dq);
  d_bias_ = d_bias_sum_.begin(device, workspace);
}

void BackwardTilePass::arrive(int home, std::byte* block, std::byte* result) {
  at(home).block = {shape_of(home, {}), dtype_, collective_.announced(home), block};
  at(home).dq = sum_in(home, result_of(home, result));
}

TileSum<Bshd> BackwardTilePass::sum_in(int home, const Bshd& group) const {
  if (!needs_totals()) return {group, std::nullopt};
  return {group, MessageCursor(workspace_->at(at(home).total)).queries(shape_of(home, {}), DType::kFloat64)};
}

void BackwardTilePass::open(const Tile& tile) {
  open_ = tile;
  tile_started_ = false;
  keys_.open(tile.begin, tile.end);
  keys_.project();
  keys_.finish_keys();
}

BackwardProblem BackwardTilePass::against(int home, const Tile& tile) const {
  const BackwardBlock& block = at(home).block;
  BackwardProblem problem;
  problem.shape = shape_of(home, tile);
  problem.q = block.q;
  problem.d_o = block.d_o;
  problem.lse = block.lse;
  problem.delta = block.delta;
  problem.bias_max = block.bias_max;
  problem.visibility = block.visibility;
  problem.bias = call_.bias.row_range(shards_.query_begin(home), shards_.query_begin(home + 1))
                     .key_range(tile.begin, tile.end);
  problem.d_bias = d_bias_.row_range(shards_.query_begin(home), shards_.query_begin(home + 1))
                       .key_range(tile.begin, tile.end);
  problem.dq = at(home).dq.group();
  problem.add_dq = at(home).dq.adds();
  return problem;
}

void BackwardTilePass::attend(int home) {
  BackwardProblem problem = against(home, open_);
  problem.k = keys_.keys();
  problem.v = keys_.values();
  problem.dk = keys_.key_gradients();
  problem.dv = keys_.value_gradients();
  problem.add_dkv = tile_started_;
  collective_.device().backward(problem, scratch_.memory());
  at(home).dq.count(collective_.device());
  tile_started_ = true;
}

void BackwardTilePass::close() { keys_.push(keys_.raw_keys(), visual_.d_features); }

// View of a share of dq in a message.
Bshd BackwardTilePass::result_of(int home, std::byte* result) const {
  return MessageCursor(result).queries(shape_of(home, {}), accumulator_);
}

// If this rank's queries see none of its own keys, nothing has been written yet: initialises the sum with zeros.
void BackwardTilePass::start_own() {
  const int rank = collective_.rank();
  if (!at(rank).dq.empty()) return;
  collective_.device().backward(against(rank, {}), scratch_.memory());
  at(rank).dq.count(collective_.device());
}

void BackwardTilePass::merge(std::byte* result) {
  const int rank = collective_.rank();
  start_own();
  at(rank).dq.add(collective_.device(), result_of(rank, result));
}

void BackwardTilePass::finish() {
  start_own();
  Device& device = collective_.device();
  TileSum<Bshd>& dq = at(collective_.rank()).dq;
  dq.finish(device);
  if (narrow_) {
    device.copy(dq.group(), call_.dq);
  }
  keys_.finish();
  d_bias_sum_.finish(device);
}

}  // namespace lvx
