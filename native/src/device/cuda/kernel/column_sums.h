// SPDX-License-Identifier: Apache-2.0
// Gradients of parameters, which are sums over rows. Sums parts of the rows in parallel, then adds the parts in order. Uses no
// atomics, so that results are deterministic.
#pragma once

#include "device/cuda/collective/layer_rows.h"
#include "device/cuda/kernel/layer_params.h"
#include "device/cuda/kernel/norm.h"

namespace lvx::cuda {

template <typename T>
LVX_GPU T term_of(const RowsTerm& t, std::int64_t row, std::int64_t column) {
  return load_as<T>(t.x, row / t.x.rows, row % t.x.rows, column);
}

template <typename T>
LVX_GPU T term_of(const GatedAddTerm& t, std::int64_t row, std::int64_t column) {
  const RowIndex at(row, t.dy.rows, 1);
  if (!is_live(t.live, at.batch, at.row)) return 0;
  return load_as<T>(t.branch, at.batch, at.row, column) * load_as<T>(t.dy, at.batch, at.row, column);
}

template <typename T>
LVX_GPU T term_of(const BlendTerm& t, std::int64_t row, std::int64_t column) {
  const RowIndex at(row, t.dy.rows, 1);
  if (!is_live(t.live, at.batch, at.row)) return 0;
  return load_as<T>(t.dy, at.batch, at.row, column) *
         (load_as<T>(t.b, at.batch, at.row, column) - load_as<T>(t.a, at.batch, at.row, column));
}

template <typename T>
LVX_GPU T term_of(const NormTerm& t, std::int64_t row, std::int64_t column) {
  const RowIndex at(t.norm.first + row, t.norm.rows, t.norm.heads);
  const T dy = load_as<T>(t.dy.data, t.dy.dtype, offset_of(t.dy, at) + column);
  if (!t.of_weight) return dy;
  const auto statistics = Statistics<T>::stored(t.statistics, row);
  const T x = load_as<T>(t.norm.x.data, t.norm.x.dtype, offset_of(t.norm.x, at) + column);
  return dy * ((x - statistics.mean) * statistics.scale);
}

template <typename T, typename Term>
class ColumnSums {
 public:
  using Params = ColumnSumParams<Term>;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = kThreads * 8;

  static LVX_GPU void run(const Params& p) {
    const std::int64_t tiles = sum_tiles(p.width);
    const std::int64_t part = block_index() / tiles;
    const std::int64_t column = block_index() % tiles * kSumColumns + lane();
    const std::int64_t end = p.rows * (part + 1) / p.parts;
    double sum = 0;
    if (column < p.width) {
      for (std::int64_t row = p.rows * part / p.parts + warp_index(); row < end; row += kWarps) {
        sum += static_cast<double>(term_of<T>(p.term, row, column));
      }
    }
    store_shared(shared_memory() + 8 * thread_index(), sum);
    sync_block();
    if (warp_index() > 0 || column >= p.width) return;
    for (int w = 1; w < kWarps; ++w) sum += load_shared<double>(shared_memory() + 8 * (w * kWarp + lane()));
    double* to = p.sums + part * p.width + column;
    store_global(to, p.add ? load_global(to) + sum : sum);
  }

 private:
  static constexpr int kWarps = kThreads / kWarp;
  static_assert(kSumColumns == kWarp);
};

// One thread per column.
class AddColumnSums {
 public:
  using Params = AddColumnSumsParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    const std::int64_t column = block_index() * kThreads + thread_index();
    if (column >= p.width) return;
    double sum = 0;
    for (std::int64_t part = 0; part < p.parts; ++part) sum += load_global(p.sums + part * p.width + column);
    if (p.gate.data != nullptr) {
      const double share = sigmoid(load_as<double>(p.gate.data, p.gate.dtype, column));
      sum *= share * (1 - share);
    }
    put_as<double>(sum, true, p.to.data, p.to.dtype, column);
  }
};

// Launched as one block.
class AddTotal {
 public:
  using Params = AddTotalParams;
  static constexpr int kThreads = 512;
  static constexpr int kSharedBytes = kThreads / kWarp * 8;

  static LVX_GPU void run(const Params& p) {
    double sum = 0;
    for (std::int64_t i = thread_index(); i < p.count; i += kThreads) sum += load_global(p.sums + i);
    sum = warp_sum(sum);
    if (lane() == 0) store_shared(shared_memory() + 8 * warp_index(), sum);
    sync_block();
    if (thread_index() > 0) return;
    for (int w = 1; w < kThreads / kWarp; ++w) sum += load_shared<double>(shared_memory() + 8 * w);
    const double factor = hyperbolic_tangent(load_as<double>(p.gate.data, p.gate.dtype, 0));
    put_as<double>((1 - factor * factor) * sum, true, p.to.data, p.to.dtype, 0);
  }
};

}  // namespace lvx::cuda
