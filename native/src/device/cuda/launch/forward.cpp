// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/scratch_check.h"
#include "device/cuda/collective/row_blocks.h"
#include "device/cuda/launch/attention.h"
#include "device/cuda/launch/plan.h"

namespace lvx::cuda {
namespace {

struct Plan {
  bool decode;
  int dim;
  ForwardShape shape;
  TileLists lists;
  int splits;
  float* split_o = nullptr;
  float* split_lse = nullptr;
  std::size_t bytes;

  Plan(const Problem& p, int multiprocessors, std::byte* memory)
      : decode(unit_rows_of(p) <= 2 * kDecodeRows),
        dim(padded_head_dim(static_cast<int>(p.head_dim))),
        shape(forward_shape(dim, decode)) {
    const std::int64_t row_tiles = tiles_of(unit_rows_of(p), shape.rows());
    const std::int64_t key_tiles = tiles_of(p.keys, shape.keys);
    Scratch scratch(memory);
    lists = take_lists(scratch, p, row_tiles, key_tiles);
    splits = splits_of(units_of(p) * row_tiles, key_tiles, (decode ? 4 : 2) * multiprocessors);
    if (splits > 1) {
      split_o = scratch.take<float>(splits * p.rows() * p.head_dim);
      split_lse = scratch.take<float>(splits * p.rows());
    }
    bytes = scratch.used();
  }
};

template <typename T, int kDim>
void launch_forward(const Queue& queue, const Plan& plan, std::int64_t blocks, const ForwardParams& params) {
  if (plan.decode) {
    launch<Forward<T, kDim, true>>(queue, blocks, params);
  } else {
    launch<Forward<T, kDim, false>>(queue, blocks, params);
  }
}

template <typename T>
void launch_forward(const Queue& queue, const Plan& plan, std::int64_t blocks, const ForwardParams& params) {
  switch (plan.dim) {
    case 64:
      return launch_forward<T, 64>(queue, plan, blocks, params);
    case 80:
      return launch_forward<T, 80>(queue, plan, blocks, params);
    case 96:
      return launch_forward<T, 96>(queue, plan, blocks, params);
    case 128:
      return launch_forward<T, 128>(queue, plan, blocks, params);
    default:
      return launch_forward<T, 256>(queue, plan, blocks, params);
  }
}

ForwardParams params_of(const ForwardArguments& a) {
  ForwardParams params{};
  params.problem = a.problem;
  params.q = a.q;
  params.k = a.k;
  params.v = a.v;
  params.visibility = a.visibility;
  params.bias = a.bias;
  params.o = a.out.o;
  params.lse = a.out.lse;
  params.merge = a.merge;
  params.splits = 1;
  return params;
}

void forward_halves(const Queue& queue, int multiprocessors, const ForwardArguments& a,
                    std::span<std::byte> scratch) {
  const Problem& p = a.problem;
  const Plan plan(p, multiprocessors, scratch.data());
  require_scratch("forward", plan.bytes, scratch.size());
  ForwardParams params = params_of(a);
  params.aligned = queries_aligned(p, a.q, 16) && keys_aligned(p, a.k, 16) && keys_aligned(p, a.v, 16);
  params.paired = queries_aligned(p, a.out.o, 2 * size_of(a.out.o.dtype));
  params.tiles = plan.lists;
  params.splits = plan.splits;
  params.split_o = plan.split_o;
  params.split_lse = plan.split_lse;
  if (a.visibility.everything()) {
    params.tiles.counts = nullptr;
  } else {
    launch<ListTiles>(queue, p.batch * plan.lists.outer,
                      TileListParams{p, a.visibility, plan.lists, plan.shape.rows(), plan.shape.keys, false});
  }
  const std::int64_t blocks = units_of(p) * plan.lists.outer * plan.splits;
  if (a.q.dtype == DType::kBFloat16) {
    launch_forward<BFloat16>(queue, plan, blocks, params);
  } else {
    launch_forward<Float16>(queue, plan, blocks, params);
  }
  if (plan.splits > 1) {
    launch<CombineSplits>(
        queue, row_blocks(p.rows()),
        CombineParams{p, a.out.o, a.out.lse, a.merge, plan.splits, plan.split_o, plan.split_lse});
  }
}

}  // namespace

std::size_t forward_scratch(const Problem& problem, DType dtype, int multiprocessors) {
  return size_of(dtype) == 2 ? Plan(problem, multiprocessors, nullptr).bytes : 0;
}

void forward(const Queue& queue, int multiprocessors, const ForwardArguments& a,
             std::span<std::byte> scratch) {
  require_countable(a.problem);
  if (a.problem.rows() == 0) return;
  switch (a.q.dtype) {
    case DType::kFloat64:
      return launch<ScalarForward<double>>(queue, row_blocks(a.problem.rows()), params_of(a));
    case DType::kFloat32:
      return launch<ScalarForward<float>>(queue, row_blocks(a.problem.rows()), params_of(a));
    default:
      return forward_halves(queue, multiprocessors, a, scratch);
  }
}

}  // namespace lvx::cuda
