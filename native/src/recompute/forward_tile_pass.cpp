// SPDX-License-Identifier: Apache-2.0
#include "recompute/forward_tile_pass.h"

namespace lvx {

ForwardTilePass::ForwardTilePass(Call& call, const Shards& shards, const VisualForward& arguments)
    : TilePass(call, shards, arguments.attention.problem, arguments.features, arguments.projection,
               arguments.tile_rows, KeyProjection::Use::kForward),
      arguments_(arguments.attention),
      travels_(shards.queries_see_others(call.rank())),
      packs_(travels_ &&
             (!arguments_.visibility.everything() ||
              !is_compact(arguments_.q, own_.batch, own_.queries, own_.query_heads, own_.head_dim))),
      accumulates_(dtype_ != accumulator_),
      lse_sum_(arguments_),
      homes_(static_cast<std::size_t>(call.size())) {}

std::int64_t ForwardTilePass::block_bytes(int home) const {
  return ForwardBlock::bytes(problem_of(home, {}), dtype_, call_.announced(home));
}

std::int64_t ForwardTilePass::result_bytes(int home) const {
  const Problem problem = problem_of(home, {});
  return problem.query_elements() * size_of(accumulator_) +
         MessageCursor::lse_bytes(problem, dtype_, call_.announced(home));
}

void ForwardTilePass::reserve(Workspace& workspace) {
  if (packs_) packed_piece_ = workspace.reserve(block_bytes(call_.rank()));
  if (accumulates_) accumulator_piece_ = workspace.reserve(own_.query_elements() * size_of(accumulator_));
  lse_sum_.reserve(workspace);
  keys_.reserve(workspace);
  scratch_.need(keys_.scratch_bytes());
  for_each_problem(
      [&](const Problem& problem) { scratch_.need(call_.device().forward_scratch(problem, dtype_)); });
  scratch_.reserve(workspace);
}

void ForwardTilePass::begin(const Workspace& workspace) {
  const int rank = call_.rank();
  scratch_.begin(workspace);
  keys_.begin(workspace, scratch_.memory());
  Home& home = at(rank);
  home.block = {arguments_.q, arguments_.visibility};
  home.sum = lse_sum_.begin(workspace, arguments_.o);
  if (accumulates_) {
    home.sum.o = compact_bshd(workspace.at(accumulator_piece_), accumulator_, own_.queries, own_.query_heads,
                              own_.head_dim);
  }
  if (packs_) {
    block_ = workspace.at(packed_piece_);
    ForwardBlock(own_, dtype_, call_.announced(rank), block_).pack(call_.device(), own_, home.block);
  } else {
    block_ = call_.lend(arguments_.q.data, block_bytes(rank));
  }
}

void ForwardTilePass::arrive(int home, std::byte* block, std::byte* result) {
  at(home).block = {problem_of(home, {}), dtype_, call_.announced(home), block};
  at(home).sum = result_of(home, result);
}

void ForwardTilePass::open(const Tile& tile) {
  open_ = tile;
  keys_.open(tile.begin, tile.end);
  keys_.project();
  keys_.finish_keys();
}

ForwardArguments ForwardTilePass::against(int home, const Tile& tile) const {
  ForwardArguments arguments;
  arguments.problem = problem_of(home, tile);
  arguments.q = at(home).block.q;
  arguments.visibility = at(home).block.visibility;
  arguments.bias = arguments_.bias.from(shards_.query_begin(home), tile.begin);
  arguments.out = at(home).sum;
  arguments.merge = at(home).started;
  return arguments;
}

void ForwardTilePass::attend(int home) {
  ForwardArguments arguments = against(home, open_);
  arguments.k = keys_.keys();
  arguments.v = keys_.values();
  call_.device().forward(arguments, scratch_.memory());
  at(home).started = true;
}

// A partial result in a message.
Partial ForwardTilePass::result_of(int home, std::byte* result) const {
  return MessageCursor(result).partial(problem_of(home, {}), accumulator_, call_.announced(home));
}

// This rank's queries may have seen none of its own keys: then nothing was written yet.
void ForwardTilePass::start_own() {
  const int rank = call_.rank();
  if (at(rank).started) return;
  call_.device().forward(against(rank, {}), scratch_.memory());
  at(rank).started = true;
}

void ForwardTilePass::merge(std::byte* result) {
  const int rank = call_.rank();
  start_own();
  call_.device().merge(own_, result_of(rank, result), at(rank).sum);
}

void ForwardTilePass::finish() {
  start_own();
  lse_sum_.finish(call_.device());
  if (!accumulates_) return;
  call_.device().copy(own_.batch, own_.queries, own_.query_heads, own_.head_dim, at(call_.rank()).sum.o,
                      arguments_.o);
}

}  // namespace lvx
