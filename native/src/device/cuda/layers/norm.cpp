// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "device/cpu/scratch.h"
#include "device/cpu/scratch_check.h"
#include "device/cuda/layers/column_sums.h"
#include "device/cuda/layers/cuda_layers.h"
#include "device/cuda/layers/in_accumulator.h"

namespace lvx::cuda {
namespace {

constexpr std::int64_t kRowsAtOnce = 8192;  // in backward, which keeps statistics in scratch
constexpr std::int64_t kWide = 512;         // rows of at least this width have a block each

struct Room {
  std::byte* statistics;
  double* weight_sums;
  double* bias_sums;
  std::size_t bytes;

  Room(std::byte* memory, std::int64_t width) {
    Scratch scratch(memory);
    statistics = reinterpret_cast<std::byte*>(scratch.take<double>(2 * kRowsAtOnce));
    weight_sums = scratch.take<double>(sums_of(width));
    bias_sums = scratch.take<double>(sums_of(width));
    bytes = scratch.used();
  }
};

NormParams params_of(const Norm& norm, const Bshd& x, const Bshd& y) {
  return {
      x.rows,      x.heads,   x.dim, 0, x.batch * x.rows * x.heads, norm.kind == LVX_NORM_LAYER, norm.epsilon,
      norm.weight, norm.bias, x,     y};
}

// Launches Kernel<T, warps per row> for the rows [first, end).
template <template <typename, int> class Kernel, typename T, typename Params>
void launch_rows(const Queue& queue, const NormParams& norm, const Params& params) {
  const std::int64_t rows = norm.end - norm.first;
  if (norm.width >= kWide) {
    launch<Kernel<T, 4>>(queue, rows, params);
  } else {
    launch<Kernel<T, 1>>(queue, row_blocks(rows), params);
  }
}

}  // namespace

std::size_t CudaLayers::norm_scratch(std::int64_t width) const { return Room(nullptr, width).bytes; }

void CudaLayers::norm_forward(const Norm& norm, const Bshd& x, const Bshd& y) {
  const Queue queue = queue_();
  const NormParams params = params_of(norm, x, y);
  in_accumulator(x.dtype, [&]<typename T>(T) { launch_rows<NormForward, T>(queue, params, params); });
}

void CudaLayers::norm_backward(const Norm& norm, const Bshd& x, const Bshd& dy, const Bshd& dx, bool add_dx,
                               const Parameter& dweight, const Parameter& dbias,
                               std::span<std::byte> scratch) {
  const std::int64_t width = x.dim;
  const Room room(scratch.data(), width);
  require_scratch("backward of a norm", room.bytes, scratch.size());
  const Queue queue = queue_();
  const std::int64_t count = x.batch * x.rows * x.heads;
  if (count == 0) return;
  const std::int64_t parts = sum_parts(count, width);
  NormParams params = params_of(norm, x, {});
  in_accumulator(x.dtype, [&]<typename T>(T) {
    for (std::int64_t first = 0; first < count; first += kRowsAtOnce) {
      params.first = first;
      params.end = std::min(count, first + kRowsAtOnce);
      launch_rows<NormStatistics, T>(queue, params, NormStatisticsParams{params, room.statistics});
      const auto sum = [&](const Parameter& wanted, bool of_weight, double* sums) {
        if (wanted.none()) return;
        sum_columns<T>(queue, NormTerm{params, room.statistics, dy, of_weight}, params.end - first, width,
                       parts, sums, first > 0);
      };
      // Summed before dx is written, because dx may be dy.
      sum(dweight, true, room.weight_sums);
      sum(dbias, false, room.bias_sums);
      if (dx.data != nullptr) {
        launch_rows<NormBackward, T>(queue, params,
                                     NormBackwardParams{params, room.statistics, dy, dx, add_dx});
      }
    }
  });
  if (!dweight.none()) add_column_sums(queue, room.weight_sums, width, parts, dweight, {});
  if (!dbias.none()) add_column_sums(queue, room.bias_sums, width, parts, dbias, {});
}

}  // namespace lvx::cuda
