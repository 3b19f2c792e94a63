// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/scratch_check.h"
#include "device/cuda/collective/row_blocks.h"
#include "device/cuda/launch/attention.h"

namespace lvx::cuda {
namespace {

struct Plan {
  bool decode;
  int dim;
  ForwardShape shape;
  TileLists lists;
  std::int64_t splits;
  int longest;     // maximum number of tiles of one float32 sum
  int pieces;      // float32 sums per split
  SplitSums sums;  // absent: one split with one float32 sum
  std::size_t bytes;

  Plan(const ProblemShape& p, const Cutting& cutting, std::byte* memory)
      : decode(unit_rows_of(p) <= 2 * kDecodeRows),
        dim(padded_head_dim(static_cast<int>(p.head_dim))),
        shape(forward_shape(dim, decode)) {
    const std::int64_t row_tiles = divide_up(unit_rows_of(p), shape.rows());
    const std::int64_t key_tiles = divide_up(p.keys, shape.keys);
    Scratch scratch(memory);
    lists = take_lists(scratch, p, row_tiles, key_tiles);
    splits = splits_of(units_of(p) * row_tiles, key_tiles, cutting);
    longest = longest_of(cutting.longest_sum_of_keys, shape.keys);
    // Decode has so few rows that each float32 sum can be a split.
    if (decode) splits = std::max(splits, divide_up(key_tiles, longest));
    pieces = pieces_of(key_tiles, splits, longest);
    if (splits > 1 || pieces > 1) {
      if (decode) {
        take_sums<float>(scratch, p);
      } else {
        take_sums<double>(scratch, p);
      }
    }
    bytes = scratch.used();
  }

 private:
  template <typename Part>
  void take_sums(Scratch& scratch, const ProblemShape& p) {
    sums.o = scratch.take<Part>(splits * p.rows() * p.head_dim);
    sums.sum = scratch.take<Part>(splits * p.rows());
    sums.max = scratch.take<float>(splits * p.rows());
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

ForwardParams params_of(const ForwardProblem& a) {
  ForwardParams params{};
  params.shape = a.shape;
  params.q = a.q;
  params.k = a.k;
  params.v = a.v;
  params.visibility = a.visibility;
  params.bias = a.bias;
  params.bias_max = a.out.bias_max;
  params.o = a.out.o;
  params.lse = a.out.lse;
  params.merge = a.merge;
  params.splits = 1;
  params.pieces = 1;
  params.longest = 1;
  return params;
}

// Must run before the kernels that add biases or merge: it sets the base of lse.
void find_bias_max(const Queue& queue, const ForwardProblem& a) {
  const BiasMaxParams params{a.shape, a.visibility, a.bias, a.merge, a.out.bias_max, a.out.lse};
  if (a.out.bias_max.dtype == DType::kFloat64) {
    launch<BiasMax<double>>(queue, a.shape.rows(), params);
  } else {
    launch<BiasMax<float>>(queue, a.shape.rows(), params);
  }
}

void forward_halves(const Queue& queue, const ForwardProblem& a, std::span<std::byte> scratch,
                    const Cutting& cutting) {
  const ProblemShape& p = a.shape;
  const Plan plan(p, cutting, scratch.data());
  require_scratch("forward", plan.bytes, scratch.size());
  ForwardParams params = params_of(a);
  params.aligned = rows_aligned(a.q, 16) && rows_aligned(a.k, 16) && rows_aligned(a.v, 16);
  params.paired = rows_aligned(a.out.o, 2 * size_of(a.out.o.dtype));
  params.tiles = plan.lists;
  params.splits = static_cast<int>(plan.splits);
  params.pieces = plan.pieces;
  params.longest = plan.longest;
  params.sums = plan.sums;
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
  if (plan.sums.o == nullptr) return;
  const CombineParams combine{p, a.out.o, a.out.lse, a.merge, params.splits, plan.sums};
  if (plan.decode) {
    launch<CombineSplits<float>>(queue, row_blocks(p.rows()), combine);
  } else {
    launch<CombineSplits<double>>(queue, row_blocks(p.rows()), combine);
  }
}

}  // namespace

std::size_t forward_scratch(const ProblemShape& shape, DType dtype, const Cutting& cutting) {
  return size_of(dtype) == 2 ? Plan(shape, cutting, nullptr).bytes : 0;
}

void forward(const Queue& queue, const ForwardProblem& a, std::span<std::byte> scratch,
             const Cutting& cutting) {
  require_countable(a.shape);
  if (a.shape.rows() == 0) return;
  if (a.out.bias_max.data != nullptr) find_bias_max(queue, a);
  switch (a.q.dtype) {
    case DType::kFloat64:
      return launch<ScalarForward<double>>(queue, row_blocks(a.shape.rows()), params_of(a));
    case DType::kFloat32:
      return launch<ScalarForward<float>>(queue, row_blocks(a.shape.rows()), params_of(a));
    default:
      return forward_halves(queue, a, scratch, cutting);
  }
}

}  // namespace lvx::cuda
