// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/launch/tensors.h"

#include "device/cuda/collective/row_blocks.h"
#include "device/extents.h"

namespace lvx::cuda {
namespace {

// A problem without keys whose query rows are the tensor's rows.
ProblemShape as_queries(const Bshd& o) {
  ProblemShape shape;
  shape.batch = o.batch;
  shape.queries = o.rows;
  shape.query_heads = o.heads;
  shape.head_dim = o.dim;
  return shape;
}

}  // namespace

void merge(const Queue& queue, const Partial& part, const Partial& into) {
  require_extents_of_merge(part, into);
  const ProblemShape shape = as_queries(into.o);
  const MergeParams params{shape, part.o, part.lse, part.bias_max, into.o, into.lse, into.bias_max};
  launch<Merge>(queue, row_blocks(shape.rows()), params);
}

void delta(const Queue& queue, const Bshd& o, const Bshd& d_o, const Bhs& delta) {
  require_extents_of_delta(o, d_o, delta);
  const ProblemShape shape = as_queries(o);
  const DeltaParams params{shape, o, d_o, delta};
  if (delta.dtype == DType::kFloat64) {
    launch<Delta<double>>(queue, row_blocks(shape.rows()), params);
  } else {
    launch<Delta<float>>(queue, row_blocks(shape.rows()), params);
  }
}

void copy(const Queue& queue, const Bshd& from, const Bshd& to, bool add) {
  require_extents_of_copy(from, to);
  const CopyParams params{to.batch, to.rows, to.heads, to.dim, from, to, add};
  const std::int64_t blocks = piece_blocks(to.batch * to.rows * to.heads, to.dim);
  if (from.dtype == DType::kFloat64 || to.dtype == DType::kFloat64) {
    launch<Copy<double>>(queue, blocks, params);
  } else {
    launch<Copy<float>>(queue, blocks, params);
  }
}

void copy(const Queue& queue, const Visibility& from, std::int32_t* to) {
  launch<CopyRanges>(queue, row_blocks(from.batch * from.rows),
                     CopyRangesParams{from.batch, from.rows, from, to});
}

}  // namespace lvx::cuda
