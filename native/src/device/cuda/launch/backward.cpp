// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/scratch_check.h"
#include "device/cuda/collective/row_blocks.h"
#include "device/cuda/launch/attention.h"
#include "device/cuda/launch/tensors.h"

namespace lvx::cuda {
namespace {

struct Plan {
  int dim;
  BackwardShape queries, keys;
  TileLists by_queries, by_keys;
  std::int64_t splits;           // of the keys, for dq
  int longest;                   // maximum number of tiles of one float32 sum of dq
  int pieces;                    // float32 sums per split
  double* split_dq = nullptr;    // null: one split with one float32 sum
  std::int64_t queries_at_once;  // for dk and dv
  // Sums of dk and dv, if queries are processed in several parts; else absent.
  std::byte* dk = nullptr;
  std::byte* dv = nullptr;
  std::size_t bytes;

  Plan(const ProblemShape& p, const Cutting& cutting, std::byte* memory)
      : dim(padded_backward_head_dim(static_cast<int>(p.head_dim))),
        queries(backward_queries_shape(dim)),
        keys(backward_keys_shape(dim)) {
    const std::int64_t rows = unit_rows_of(p);
    Scratch scratch(memory);
    by_queries = take_lists(scratch, p, divide_up(rows, queries.outer), divide_up(p.keys, queries.inner));
    by_keys = take_lists(scratch, p, divide_up(p.keys, keys.outer), divide_up(rows, keys.inner));
    splits = splits_of(units_of(p) * by_queries.outer, by_queries.inner, cutting);
    longest = longest_of(cutting.longest_sum_of_keys, queries.inner);
    pieces = pieces_of(by_queries.inner, splits, longest);
    if (splits > 1 || pieces > 1) {
      split_dq = scratch.take<double>(splits * p.rows() * p.head_dim);
    }
    queries_at_once =
        rows == 0 ? 1 : std::max<std::int64_t>(1, cutting.longest_sum_of_rows * p.queries / rows);
    if (queries_at_once < p.queries) {
      dk = reinterpret_cast<std::byte*>(scratch.take<float>(p.key_elements()));
      dv = reinterpret_cast<std::byte*>(scratch.take<float>(p.key_elements()));
    }
    bytes = scratch.used();
  }
};

template <typename T, template <typename, int> class Kernel>
void launch_by_dim(const Queue& queue, int dim, std::int64_t blocks, const BackwardParams& params) {
  switch (dim) {
    case 64:
      return launch<Kernel<T, 64>>(queue, blocks, params);
    case 96:
      return launch<Kernel<T, 96>>(queue, blocks, params);
    case 128:
      return launch<Kernel<T, 128>>(queue, blocks, params);
    default:
      return launch<Kernel<T, 256>>(queue, blocks, params);
  }
}

template <template <typename, int> class Kernel>
void launch_halves(const Queue& queue, DType dtype, int dim, std::int64_t blocks,
                   const BackwardParams& params) {
  if (dtype == DType::kBFloat16) {
    launch_by_dim<BFloat16, Kernel>(queue, dim, blocks, params);
  } else {
    launch_by_dim<Float16, Kernel>(queue, dim, blocks, params);
  }
}

// The problem restricted to queries [first, first + count).
BackwardParams part_of(const BackwardParams& whole, std::int64_t first, std::int64_t count) {
  BackwardParams part = whole;
  part.shape.queries = count;
  const std::int64_t end = first + count;
  part.q = whole.q.row_range(first, end);
  part.d_o = whole.d_o.row_range(first, end);
  part.lse = whole.lse.row_range(first, end);
  part.delta = whole.delta.row_range(first, end);
  part.bias_max = whole.bias_max.row_range(first, end);
  part.visibility = whole.visibility.row_range(first, end);
  part.bias = whole.bias.row_range(first, end);
  return part;
}

// Computes dk and dv for one part of the queries after the other. Half-precision gradients are accumulated in float32.
void sum_parts(const Queue& queue, const Plan& plan, const BackwardProblem& a, BackwardParams whole) {
  const ProblemShape& p = a.shape;
  const bool apart = plan.dk != nullptr && (a.dk.dtype != DType::kFloat32 || a.dv.dtype != DType::kFloat32);
  if (apart) {
    whole.dk = compact_keys(plan.dk, DType::kFloat32, p);
    whole.dv = compact_keys(plan.dv, DType::kFloat32, p);
    whole.paired = true;
    whole.add_dkv = false;
  }
  std::int64_t first = 0;
  do {
    BackwardParams part = part_of(whole, first, std::min(plan.queries_at_once, p.queries - first));
    part.tiles = plan.by_keys;
    part.tiles.inner = static_cast<int>(divide_up(unit_rows_of(part.shape), plan.keys.inner));
    if (a.visibility.everything()) {
      part.tiles.counts = nullptr;
    } else {
      launch<ListTiles>(
          queue, p.batch * part.tiles.outer,
          TileListParams{part.shape, part.visibility, part.tiles, plan.keys.inner, plan.keys.outer, true});
    }
    launch_halves<BackwardKeys>(queue, a.q.dtype, plan.dim,
                                units_of(p) * part.tiles.outer * plan.keys.column_parts, part);
    whole.add_dkv = true;
    first += plan.queries_at_once;
  } while (first < p.queries);
  if (!apart) return;
  copy(queue, whole.dk, a.dk, a.add_dkv);
  copy(queue, whole.dv, a.dv, a.add_dkv);
}

BackwardParams params_of(const BackwardProblem& a) {
  BackwardParams params{};
  params.shape = a.shape;
  params.q = a.q;
  params.k = a.k;
  params.v = a.v;
  params.d_o = a.d_o;
  params.lse = a.lse;
  params.delta = a.delta;
  params.visibility = a.visibility;
  params.bias = a.bias;
  params.bias_max = a.bias_max;
  params.dq = a.dq;
  params.dk = a.dk;
  params.dv = a.dv;
  params.add_dq = a.add_dq;
  params.add_dkv = a.add_dkv;
  params.splits = 1;
  params.pieces = 1;
  params.longest = 1;
  return params;
}

void backward_halves(const Queue& queue, const BackwardProblem& a, std::span<std::byte> scratch,
                     const Cutting& cutting) {
  const ProblemShape& p = a.shape;
  const Plan plan(p, cutting, scratch.data());
  require_scratch("backward", plan.bytes, scratch.size());
  BackwardParams by_queries = params_of(a);
  by_queries.aligned =
      rows_aligned(a.q, 16) && rows_aligned(a.d_o, 16) && rows_aligned(a.k, 16) && rows_aligned(a.v, 16);
  by_queries.paired = rows_aligned(a.dq, 2 * size_of(a.dq.dtype)) &&
                      rows_aligned(a.dk, 2 * size_of(a.dk.dtype)) &&
                      rows_aligned(a.dv, 2 * size_of(a.dv.dtype));
  BackwardParams by_keys = by_queries;
  by_queries.tiles = plan.by_queries;
  by_queries.splits = static_cast<int>(plan.splits);
  by_queries.pieces = plan.pieces;
  by_queries.longest = plan.longest;
  by_queries.split_dq = plan.split_dq;
  if (a.visibility.everything()) {
    by_queries.tiles.counts = nullptr;
  } else {
    launch<ListTiles>(
        queue, p.batch * plan.by_queries.outer,
        TileListParams{p, a.visibility, plan.by_queries, plan.queries.outer, plan.queries.inner, false});
  }
  const std::int64_t query_blocks = units_of(p) * plan.by_queries.outer * plan.splits;
  launch_halves<BackwardQueries>(queue, a.q.dtype, plan.dim, query_blocks, by_queries);
  sum_parts(queue, plan, a, by_keys);
  if (plan.split_dq != nullptr) {
    launch<SumSplits>(queue, row_blocks(p.rows()),
                      SumParams{p, a.dq, a.add_dq, by_queries.splits, plan.split_dq});
  }
}

template <typename T>
void backward_scalars(const Queue& queue, const BackwardProblem& a) {
  const ProblemShape& p = a.shape;
  launch<ScalarBackwardQueries<T>>(queue, row_blocks(p.rows()), params_of(a));
  launch<ScalarBackwardKeys<T>>(queue, row_blocks(units_of(p) * p.keys), params_of(a));
}

template <typename T>
void bias_gradient(const Queue& queue, const BackwardProblem& a) {
  const BiasGradientParams params{a.shape, a.q,          a.k,    a.v,        a.d_o,   a.lse,
                                  a.delta, a.visibility, a.bias, a.bias_max, a.d_bias};
  launch<BiasGradient<T>>(queue, bias_gradient_blocks(a.shape, a.d_bias), params);
}

}  // namespace

std::size_t backward_scratch(const ProblemShape& shape, DType dtype, const Cutting& cutting) {
  return size_of(dtype) == 2 ? Plan(shape, cutting, nullptr).bytes : 0;
}

void backward(const Queue& queue, const BackwardProblem& a, std::span<std::byte> scratch,
              const Cutting& cutting) {
  require_countable(a.shape);
  if (a.shape.batch == 0) return;
  switch (a.q.dtype) {
    case DType::kFloat64:
      backward_scalars<double>(queue, a);
      break;
    case DType::kFloat32:
      backward_scalars<float>(queue, a);
      break;
    default:
      backward_halves(queue, a, scratch, cutting);
  }
  if (a.d_bias.none()) return;
  if (a.q.dtype == DType::kFloat64) {
    bias_gradient<double>(queue, a);
  } else {
    bias_gradient<float>(queue, a);
  }
}

}  // namespace lvx::cuda
