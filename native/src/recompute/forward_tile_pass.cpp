// SPDX-License-Identifier: Apache-2.0
#include "recompute/forward_tile_pass.h"

namespace lvx {

ForwardTilePass::ForwardTilePass(Collective& collective, const Shards& shards, const VisualForwardCall& call)
    : TilePass(collective, shards, call.attention.shape, call.features, call.projection, call.tile_rows,
               KeyProjection::Use::kForward, {}),
      call_(call.attention),
      travels_(shards.queries_see_others(collective.rank())),
      packs_(travels_ && (!call_.visibility.everything() || !is_compact(call_.q))),
      accumulates_(dtype_ != accumulator_),
      lse_sum_(call_),
      homes_(static_cast<std::size_t>(collective.size())) {}

std::int64_t ForwardTilePass::block_bytes(int home) const {
  return ForwardBlock::bytes(shape_of(home, {}), dtype_, collective_.announced(home));
}

std::int64_t ForwardTilePass::result_bytes(int home) const {
  const ProblemShape shape = shape_of(home, {});
  return shape.query_elements() * size_of(accumulator_) +
         MessageCursor::lse_bytes(shape, dtype_, collective_.announced(home));
}

void ForwardTilePass::reserve(Workspace& workspace) {
  if (packs_) packed_piece_ = workspace.reserve(block_bytes(collective_.rank()));
  if (accumulates_) accumulator_piece_ = workspace.reserve(own_.query_elements() * size_of(accumulator_));
  lse_sum_.reserve(workspace);
  if (needs_totals()) {
    for_each_home([&](int home) {
      const ProblemShape shape = shape_of(home, {});
      const std::int64_t lse = (has_terms(home) ? 2 : 1) * shape.rows();
      at(home).total = workspace.reserve((shape.query_elements() + lse) * size_of(DType::kFloat64));
    });
  }
  keys_.reserve(workspace);
  scratch_.need(keys_.scratch_bytes());
  for_each_shape(
      [&](const ProblemShape& shape) { scratch_.need(collective_.device().forward_scratch(shape, dtype_)); });
  scratch_.reserve(workspace);
}

void ForwardTilePass::begin(const Workspace& workspace) {
  const int rank = collective_.rank();
  workspace_ = &workspace;
  scratch_.begin(workspace);
  keys_.begin(workspace, scratch_.memory());
  Home& home = at(rank);
  home.block = {call_.q, call_.visibility};
  Partial sum = lse_sum_.begin(workspace, call_.o);
  if (accumulates_) {
    sum.o = compact_queries(workspace.at(accumulator_piece_), accumulator_, own_);
  }
  home.sum = sum_in(rank, sum);
  if (packs_) {
    block_ = workspace.at(packed_piece_);
    ForwardBlock(own_, dtype_, collective_.announced(rank), block_).pack(collective_.device(), home.block);
  } else {
    block_ = collective_.lend(call_.q.data, block_bytes(rank));
  }
}

void ForwardTilePass::arrive(int home, std::byte* block, std::byte* result) {
  at(home).block = {shape_of(home, {}), dtype_, collective_.announced(home), block};
  at(home).sum = sum_in(home, result_of(home, result));
}

// Whether the home's lse is merged in two terms.
bool ForwardTilePass::has_terms(int home) const {
  return home == collective_.rank() ? lse_sum_.splits() : collective_.announced(home).has_bias != 0;
}

TileSum<Partial> ForwardTilePass::sum_in(int home, const Partial& group) const {
  if (!needs_totals()) return {group, std::nullopt};
  const ProblemShape shape = shape_of(home, {});
  MessageCursor memory(workspace_->at(at(home).total));
  Partial total;
  total.o = memory.queries(shape, DType::kFloat64);
  total.lse = memory.row_values(shape, DType::kFloat64);
  if (has_terms(home)) total.bias_max = memory.row_values(shape, DType::kFloat64);
  return {group, total};
}

void ForwardTilePass::open(const Tile& tile) {
  open_ = tile;
  keys_.open(tile.begin, tile.end);
  keys_.project();
  keys_.finish_keys();
}

ForwardProblem ForwardTilePass::against(int home, const Tile& tile) const {
  ForwardProblem problem;
  problem.shape = shape_of(home, tile);
  problem.q = at(home).block.q;
  problem.visibility = at(home).block.visibility;
  problem.bias = call_.bias.row_range(shards_.query_begin(home), shards_.query_begin(home + 1))
                     .key_range(tile.begin, tile.end);
  problem.out = at(home).sum.group();
  problem.merge = at(home).sum.adds();
  return problem;
}

void ForwardTilePass::attend(int home) {
  ForwardProblem problem = against(home, open_);
  problem.k = keys_.keys();
  problem.v = keys_.values();
  collective_.device().forward(problem, scratch_.memory());
  at(home).sum.count(collective_.device());
}

// View of a partial result in a message.
Partial ForwardTilePass::result_of(int home, std::byte* result) const {
  return MessageCursor(result).partial(shape_of(home, {}), accumulator_, collective_.announced(home));
}

// If this rank's queries see none of its own keys, nothing has been written yet: initialises the sum with the identity.
void ForwardTilePass::start_own() {
  const int rank = collective_.rank();
  if (!at(rank).sum.empty()) return;
  collective_.device().forward(against(rank, {}), scratch_.memory());
  at(rank).sum.count(collective_.device());
}

void ForwardTilePass::merge(std::byte* result) {
  const int rank = collective_.rank();
  start_own();
  at(rank).sum.add(collective_.device(), result_of(rank, result));
}

void ForwardTilePass::finish() {
  start_own();
  at(collective_.rank()).sum.finish(collective_.device());
  lse_sum_.finish(collective_.device());
  if (!accumulates_) return;
  collective_.device().copy(at(collective_.rank()).sum.group().o, call_.o);
}

}  // namespace lvx
