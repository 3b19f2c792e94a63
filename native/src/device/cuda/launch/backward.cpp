// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/scratch_check.h"
#include "device/cuda/collective/row_blocks.h"
#include "device/cuda/launch/attention.h"
#include "device/cuda/launch/plan.h"

namespace lvx::cuda {
namespace {

struct Plan {
  int dim;
  BackwardShape queries, keys;
  TileLists by_queries, by_keys;
  int splits;  // of dq's keys
  float* split_dq = nullptr;
  std::size_t bytes;

  Plan(const Problem& p, int multiprocessors, std::byte* memory)
      : dim(padded_backward_head_dim(static_cast<int>(p.head_dim))),
        queries(backward_queries_shape(dim)),
        keys(backward_keys_shape(dim)) {
    const std::int64_t rows = unit_rows_of(p);
    Scratch scratch(memory);
    by_queries = take_lists(scratch, p, tiles_of(rows, queries.outer), tiles_of(p.keys, queries.inner));
    by_keys = take_lists(scratch, p, tiles_of(p.keys, keys.outer), tiles_of(rows, keys.inner));
    splits = splits_of(units_of(p) * by_queries.outer, by_queries.inner, 2 * multiprocessors);
    if (splits > 1) split_dq = scratch.take<float>(splits * p.rows() * p.head_dim);
    bytes = scratch.used();
  }
};

template <typename T, int kDim>
void launch_backward(const Queue& queue, std::int64_t query_blocks, const BackwardParams& by_queries,
                     std::int64_t key_blocks, const BackwardParams& by_keys) {
  launch<BackwardQueries<T, kDim>>(queue, query_blocks, by_queries);
  launch<BackwardKeys<T, kDim>>(queue, key_blocks, by_keys);
}

template <typename T>
void launch_backward(const Queue& queue, const Plan& plan, std::int64_t query_blocks,
                     const BackwardParams& by_queries, std::int64_t key_blocks,
                     const BackwardParams& by_keys) {
  switch (plan.dim) {
    case 64:
      return launch_backward<T, 64>(queue, query_blocks, by_queries, key_blocks, by_keys);
    case 96:
      return launch_backward<T, 96>(queue, query_blocks, by_queries, key_blocks, by_keys);
    case 128:
      return launch_backward<T, 128>(queue, query_blocks, by_queries, key_blocks, by_keys);
    default:
      return launch_backward<T, 256>(queue, query_blocks, by_queries, key_blocks, by_keys);
  }
}

BackwardParams params_of(const BackwardArguments& a) {
  BackwardParams params{};
  params.problem = a.problem;
  params.q = a.q;
  params.k = a.k;
  params.v = a.v;
  params.d_o = a.d_o;
  params.lse = a.lse;
  params.delta = a.delta;
  params.visibility = a.visibility;
  params.bias = a.bias;
  params.dq = a.dq;
  params.dk = a.dk;
  params.dv = a.dv;
  params.add_dq = a.add_dq;
  params.add_dkv = a.add_dkv;
  params.splits = 1;
  return params;
}

void backward_halves(const Queue& queue, int multiprocessors, const BackwardArguments& a,
                     std::span<std::byte> scratch) {
  const Problem& p = a.problem;
  const Plan plan(p, multiprocessors, scratch.data());
  require_scratch("backward", plan.bytes, scratch.size());
  BackwardParams by_queries = params_of(a);
  by_queries.aligned = queries_aligned(p, a.q, 16) && queries_aligned(p, a.d_o, 16) &&
                       keys_aligned(p, a.k, 16) && keys_aligned(p, a.v, 16);
  by_queries.paired = queries_aligned(p, a.dq, 2 * size_of(a.dq.dtype)) &&
                      keys_aligned(p, a.dk, 2 * size_of(a.dk.dtype)) &&
                      keys_aligned(p, a.dv, 2 * size_of(a.dv.dtype));
  BackwardParams by_keys = by_queries;
  by_queries.tiles = plan.by_queries;
  by_queries.splits = plan.splits;
  by_queries.split_dq = plan.split_dq;
  by_keys.tiles = plan.by_keys;
  if (a.visibility.everything()) {
    by_queries.tiles.counts = by_keys.tiles.counts = nullptr;
  } else {
    launch<ListTiles>(
        queue, p.batch * plan.by_queries.outer,
        TileListParams{p, a.visibility, plan.by_queries, plan.queries.outer, plan.queries.inner, false});
    launch<ListTiles>(queue, p.batch * plan.by_keys.outer,
                      TileListParams{p, a.visibility, plan.by_keys, plan.keys.inner, plan.keys.outer, true});
  }
  const std::int64_t query_blocks = units_of(p) * plan.by_queries.outer * plan.splits;
  const std::int64_t key_blocks = units_of(p) * plan.by_keys.outer * plan.keys.column_parts;
  if (a.q.dtype == DType::kBFloat16) {
    launch_backward<BFloat16>(queue, plan, query_blocks, by_queries, key_blocks, by_keys);
  } else {
    launch_backward<Float16>(queue, plan, query_blocks, by_queries, key_blocks, by_keys);
  }
  if (plan.splits > 1) {
    launch<SumSplits>(queue, row_blocks(p.rows()), SumParams{p, a.dq, a.add_dq, plan.splits, plan.split_dq});
  }
}

template <typename T>
void backward_scalars(const Queue& queue, const BackwardArguments& a) {
  const Problem& p = a.problem;
  launch<ScalarBackwardQueries<T>>(queue, row_blocks(p.rows()), params_of(a));
  launch<ScalarBackwardKeys<T>>(queue, row_blocks(units_of(p) * p.keys), params_of(a));
}

template <typename T>
void bias_gradient(const Queue& queue, const BackwardArguments& a) {
  const BiasGradientParams params{a.problem, a.q,     a.k,          a.v,    a.d_o,
                                  a.lse,     a.delta, a.visibility, a.bias, a.d_bias};
  launch<BiasGradient<T>>(queue, bias_gradient_blocks(a.problem, a.d_bias), params);
}

}  // namespace

std::size_t backward_scratch(const Problem& problem, DType dtype, int multiprocessors) {
  return size_of(dtype) == 2 ? Plan(problem, multiprocessors, nullptr).bytes : 0;
}

void backward(const Queue& queue, int multiprocessors, const BackwardArguments& a,
              std::span<std::byte> scratch) {
  require_countable(a.problem);
  if (a.problem.batch == 0) return;
  switch (a.q.dtype) {
    case DType::kFloat64:
      backward_scalars<double>(queue, a);
      break;
    case DType::kFloat32:
      backward_scalars<float>(queue, a);
      break;
    default:
      backward_halves(queue, multiprocessors, a, scratch);
  }
  if (a.d_bias.none()) return;
  if (a.q.dtype == DType::kFloat64) {
    bias_gradient<double>(queue, a);
  } else {
    bias_gradient<float>(queue, a);
  }
}

}  // namespace lvx::cuda
