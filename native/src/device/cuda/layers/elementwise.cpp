// SPDX-License-Identifier: Apache-2.0
// Elementwise operations on rows: one kernel each, plus sums over rows if there is a gate.
#include <cmath>

#include "base/error.h"
#include "device/cuda/launch/tensors.h"
#include "device/cuda/layers/column_sums.h"
#include "device/cuda/layers/cuda_layers.h"
#include "device/cuda/layers/in_accumulator.h"

namespace lvx::cuda {
namespace {

// Launches Kernel<T> with one warp per piece of a row of x.
template <template <typename> class Kernel, typename Params>
void launch_elements(const Queue& queue, const Rows& like, const Params& params) {
  in_accumulator(like.dtype, [&]<typename T>(T) {
    launch<Kernel<T>>(queue, piece_blocks(like.batch * like.rows, like.width), params);
  });
}

// Sums a term over all rows of a tensor, in parts. The sums are in device memory that is freed on the stream.
struct PartSums {
  std::int64_t parts;
  DeviceMemory memory;

  template <typename Term>
  PartSums(MemoryOperations& device, const Queue& queue, const Rows& like, const Term& term)
      : parts(sum_parts(like.batch * like.rows, like.width)),
        memory(device, static_cast<std::size_t>(parts * like.width) * sizeof(double)) {
    in_accumulator(like.dtype, [&]<typename T>(T) {
      sum_columns<T>(queue, term, like.batch * like.rows, like.width, parts, sums(), false);
    });
  }

  double* sums() const { return reinterpret_cast<double*>(memory.data()); }
};

Bshd one_head(const Rows& x) {
  return {x.data, x.dtype, x.batch, x.rows, 1, x.width, x.batch_stride, x.row_stride, 0};
}

}  // namespace

void CudaLayers::rotary(double theta, bool inverse, const Bshd& x, const RowIntegers& positions,
                        const Bshd& y) {
  if (x.dim > 2 * kRotaryPairs) {
    throw Error(LVX_INTERNAL, "rotary: expected a head of at most 256, got " + std::to_string(x.dim));
  }
  RotaryParams params{x.batch, x.rows, x.heads, x.dim, inverse, x, y, positions, {}};
  for (std::int64_t i = 0; i < x.dim / 2; ++i) {
    params.frequencies[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(x.dim));
  }
  const Queue queue = queue_();
  in_accumulator(x.dtype,
                 [&]<typename T>(T) { launch<Rotary<T>>(queue, row_blocks(x.batch * x.rows), params); });
}

void CudaLayers::swiglu_forward(const Rows& gate, const Rows& up, const Rows& y) {
  launch_elements<SwigluForward>(queue_(), y, SwigluParams{gate, up, y});
}

void CudaLayers::swiglu_backward(const Rows& gate, const Rows& up, const Rows& dy, const Rows& dgate,
                                 const Rows& dup) {
  launch_elements<SwigluBackward>(queue_(), dy, SwigluBackwardParams{gate, up, dy, dgate, dup});
}

void CudaLayers::gelu_forward(const Rows& x, const Rows& y) {
  launch_elements<GeluForward>(queue_(), y, GeluParams{x, y});
}

void CudaLayers::gelu_backward(const Rows& x, const Rows& dy, const Rows& dx) {
  launch_elements<GeluBackward>(queue_(), dy, GeluBackwardParams{x, dy, dx});
}

void CudaLayers::gated_add_forward(const Rows& x, const Rows& branch, const Parameter& gate,
                                   const RowIntegers& live, const Rows& y) {
  launch_elements<GatedAddForward>(queue_(), y, GatedAddParams{x, branch, y, gate, live});
}

void CudaLayers::gated_add_backward(const Rows& branch, const Parameter& gate, const RowIntegers& live,
                                    const Rows& dy, const Rows& dbranch, const Parameter& dgate) {
  const Queue queue = queue_();
  // Summed before dbranch is written, because dbranch may be branch.
  if (!dgate.none()) {
    const PartSums part(device_, queue, dy, GatedAddTerm{branch, dy, live});
    launch<AddTotal>(queue, 1, AddTotalParams{part.sums(), part.parts * dy.width, dgate, gate});
  }
  launch_elements<GatedAddBackward>(queue, dy, GatedAddBackwardParams{dy, dbranch, gate, live});
}

void CudaLayers::blend_forward(const Rows& a, const Rows& b, const Parameter& gate, const RowIntegers& live,
                               const Rows& y) {
  launch_elements<BlendForward>(queue_(), y, BlendParams{a, b, y, gate, live});
}

void CudaLayers::blend_backward(const Rows& a, const Rows& b, const Parameter& gate, const RowIntegers& live,
                                const Rows& dy, const Rows& da, const Rows& db, const Parameter& dgate) {
  const Queue queue = queue_();
  // Summed before da and db are written, because they may be a and b.
  if (!dgate.none()) {
    const PartSums part(device_, queue, dy, BlendTerm{a, b, dy, live});
    add_column_sums(queue, part.sums(), dy.width, part.parts, dgate, gate);
  }
  launch_elements<BlendBackward>(queue, dy, BlendBackwardParams{dy, da, db, gate, live});
}

void CudaLayers::add(const Rows& x, const Rows& y) { copy(queue_(), one_head(x), one_head(y), true); }

void CudaLayers::clear_rows(const RowIntegers& live, const Rows& x) {
  if (live.none()) return;
  launch_elements<ClearRows>(queue_(), x, ClearRowsParams{live, false, x});
}

}  // namespace lvx::cuda
