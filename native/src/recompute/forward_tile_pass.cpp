// SPDX-License-Identifier: Apache-2.0
#include "recompute/forward_tile_pass.h"

namespace lvx {

ForwardTilePass::ForwardTilePass(Call& call, const Shards& shards, const VisualForward& arguments)
    : TilePass(call, shards, arguments.attention.problem, arguments.features, arguments.projection,
               arguments.tile_rows, KeyProjection::Use::kForward, {}),
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
  if (needs_totals()) {
    for_each_home([&](int home) {
      const Problem problem = problem_of(home, {});
      const std::int64_t lse = (has_terms(home) ? 2 : 1) * problem.rows();
      at(home).total = workspace.reserve((problem.query_elements() + lse) * size_of(DType::kFloat64));
    });
  }
  keys_.reserve(workspace);
  scratch_.need(keys_.scratch_bytes());
  for_each_problem(
      [&](const Problem& problem) { scratch_.need(call_.device().forward_scratch(problem, dtype_)); });
  scratch_.reserve(workspace);
}

void ForwardTilePass::begin(const Workspace& workspace) {
  const int rank = call_.rank();
  workspace_ = &workspace;
  scratch_.begin(workspace);
  keys_.begin(workspace, scratch_.memory());
  Home& home = at(rank);
  home.block = {arguments_.q, arguments_.visibility};
  Partial sum = lse_sum_.begin(workspace, arguments_.o);
  if (accumulates_) {
    sum.o = compact_bshd(workspace.at(accumulator_piece_), accumulator_, own_.queries, own_.query_heads,
                         own_.head_dim);
  }
  home.sum = sum_in(rank, sum);
  if (packs_) {
    block_ = workspace.at(packed_piece_);
    ForwardBlock(own_, dtype_, call_.announced(rank), block_).pack(call_.device(), own_, home.block);
  } else {
    block_ = call_.lend(arguments_.q.data, block_bytes(rank));
  }
}

void ForwardTilePass::arrive(int home, std::byte* block, std::byte* result) {
  at(home).block = {problem_of(home, {}), dtype_, call_.announced(home), block};
  at(home).sum = sum_in(home, result_of(home, result));
}

// Whether the home's lse is summed in two terms.
bool ForwardTilePass::has_terms(int home) const {
  return home == call_.rank() ? lse_sum_.splits() : call_.announced(home).has_bias != 0;
}

TileSum<Partial> ForwardTilePass::sum_in(int home, const Partial& group) const {
  const Problem problem = problem_of(home, {});
  if (!needs_totals()) return {problem, group, std::nullopt};
  MessageCursor memory(workspace_->at(at(home).total));
  Partial total;
  total.o = memory.queries(problem, DType::kFloat64);
  total.lse = memory.row_values(problem, DType::kFloat64);
  if (has_terms(home)) total.bias_max = memory.row_values(problem, DType::kFloat64);
  return {problem, group, total};
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
  arguments.out = at(home).sum.group();
  arguments.merge = at(home).sum.adds();
  return arguments;
}

void ForwardTilePass::attend(int home) {
  ForwardArguments arguments = against(home, open_);
  arguments.k = keys_.keys();
  arguments.v = keys_.values();
  call_.device().forward(arguments, scratch_.memory());
  at(home).sum.count(call_.device());
}

// A partial result as it lies in a message.
Partial ForwardTilePass::result_of(int home, std::byte* result) const {
  return MessageCursor(result).partial(problem_of(home, {}), accumulator_, call_.announced(home));
}

// This rank's queries may have seen none of its own keys: then nothing was written yet.
void ForwardTilePass::start_own() {
  const int rank = call_.rank();
  if (!at(rank).sum.empty()) return;
  call_.device().forward(against(rank, {}), scratch_.memory());
  at(rank).sum.count(call_.device());
}

void ForwardTilePass::merge(std::byte* result) {
  const int rank = call_.rank();
  start_own();
  at(rank).sum.add(call_.device(), result_of(rank, result));
}

void ForwardTilePass::finish() {
  start_own();
  at(call_.rank()).sum.finish(call_.device());
  lse_sum_.finish(call_.device());
  if (!accumulates_) return;
  call_.device().copy(own_.batch, own_.queries, own_.query_heads, own_.head_dim,
                      at(call_.rank()).sum.group().o, arguments_.o);
}

}  // namespace lvx
