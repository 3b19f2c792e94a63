// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/launch/tensors.h"

#include "device/cuda/collective/row_blocks.h"

namespace lvx::cuda {

void merge(const Queue& queue, const Problem& problem, const Partial& part, const Partial& into) {
  const MergeParams params{problem, part.o, part.lse, part.bias_max, into.o, into.lse, into.bias_max};
  launch<Merge>(queue, row_blocks(problem.rows()), params);
}

void delta(const Queue& queue, const Problem& problem, const Bshd& o, const Bshd& d_o, const Bhs& delta) {
  const DeltaParams params{problem, o, d_o, delta};
  if (delta.dtype == DType::kFloat64) {
    launch<Delta<double>>(queue, row_blocks(problem.rows()), params);
  } else {
    launch<Delta<float>>(queue, row_blocks(problem.rows()), params);
  }
}

void copy(const Queue& queue, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
          const Bshd& from, const Bshd& to, bool add) {
  const CopyParams params{batch, rows, heads, dim, from, to, add};
  if (from.dtype == DType::kFloat64 || to.dtype == DType::kFloat64) {
    launch<Copy<double>>(queue, piece_blocks(batch * rows * heads, dim), params);
  } else {
    launch<Copy<float>>(queue, piece_blocks(batch * rows * heads, dim), params);
  }
}

void copy(const Queue& queue, std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& from,
          const Bhs& to) {
  // [batch, head, row] seen as [batch, row, head, dim], its rows being the last dimension.
  copy(queue, batch, 1, heads, rows, Bshd{from.data, from.dtype, from.batch_stride, 0, from.head_stride},
       Bshd{to.data, to.dtype, to.batch_stride, 0, to.head_stride}, false);
}

void copy(const Queue& queue, std::int64_t batch, std::int64_t rows, const Visibility& from,
          std::int32_t* to) {
  launch<CopyRanges>(queue, row_blocks(batch * rows), CopyRangesParams{batch, rows, from, to});
}

}  // namespace lvx::cuda
