// SPDX-License-Identifier: Apache-2.0
// RMS norm (arXiv 1910.07467) and layer norm (arXiv 1607.06450), computed in T. The statistics of a row are computed in double.
#pragma once

#include "device/cuda/collective/layer_rows.h"
#include "device/cuda/collective/row_team.h"
#include "device/cuda/kernel/layer_params.h"

namespace lvx::cuda {

template <typename T>
struct Statistics {
  T mean, scale;

  // The statistics of the row at x_at, computed by the team that processes it.
  template <typename Team>
  static LVX_GPU Statistics of_row(const NormParams& p, std::int64_t x_at) {
    const auto width = static_cast<double>(p.width);
    double mean = 0;
    if (p.centred) {
      double total = 0;
      Team::for_columns(p.width, [&](std::int64_t column) {
        total += static_cast<double>(load_as<T>(p.x.data, p.x.dtype, x_at + column));
      });
      mean = Team::sum(total) / width;
    }
    double squares = 0;
    Team::for_columns(p.width, [&](std::int64_t column) {
      const double centred = static_cast<double>(load_as<T>(p.x.data, p.x.dtype, x_at + column)) - mean;
      squares += centred * centred;
    });
    squares = Team::sum(squares);
    return {static_cast<T>(mean), static_cast<T>(1 / square_root(squares / width + p.epsilon))};
  }

  static LVX_GPU Statistics stored(const std::byte* statistics, std::int64_t row) {
    return {load_global(elements<T>(statistics) + 2 * row),
            load_global(elements<T>(statistics) + 2 * row + 1)};
  }
};

template <typename T, int kWarps>
class NormForward {
 public:
  using Params = NormParams;
  using Team = RowTeam<kWarps>;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = Team::kSharedBytes;

  static LVX_GPU void run(const Params& p) {
    if (p.first + Team::row() >= p.end) return;
    const RowIndex row(p.first + Team::row(), p.rows, p.heads);
    const std::int64_t x_at = offset_of(p.x, row);
    const std::int64_t y_at = offset_of(p.y, row);
    const auto statistics = Statistics<T>::template of_row<Team>(p, x_at);
    Team::for_columns(p.width, [&](std::int64_t column) {
      const T x = load_as<T>(p.x.data, p.x.dtype, x_at + column);
      const T y = (x - statistics.mean) * statistics.scale * load_as<T>(p.weight, column, T{1}) +
                  load_as<T>(p.bias, column, T{0});
      store_as<T>(y, p.y.data, p.y.dtype, y_at + column);
    });
  }
};

template <typename T, int kWarps>
class NormStatistics {
 public:
  using Params = NormStatisticsParams;
  using Team = RowTeam<kWarps>;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = Team::kSharedBytes;

  static LVX_GPU void run(const Params& p) {
    const std::int64_t index = Team::row();
    if (p.norm.first + index >= p.norm.end) return;
    const RowIndex row(p.norm.first + index, p.norm.rows, p.norm.heads);
    const auto statistics = Statistics<T>::template of_row<Team>(p.norm, offset_of(p.norm.x, row));
    Team::for_columns(1, [&](std::int64_t) {
      store_global(elements<T>(p.statistics) + 2 * index, statistics.mean);
      store_global(elements<T>(p.statistics) + 2 * index + 1, statistics.scale);
    });
  }
};

// With n = (x - mean) * scale and g = dy * weight: dx = scale * (g - mean(g) - n * mean(g * n)). mean(g) is for layer norm
// only.
template <typename T, int kWarps>
class NormBackward {
 public:
  using Params = NormBackwardParams;
  using Team = RowTeam<kWarps>;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = Team::kSharedBytes;

  static LVX_GPU void run(const Params& p) {
    const NormParams& norm = p.norm;
    const std::int64_t index = Team::row();
    if (norm.first + index >= norm.end) return;
    const RowIndex row(norm.first + index, norm.rows, norm.heads);
    const std::int64_t x_at = offset_of(norm.x, row);
    const std::int64_t dy_at = offset_of(p.dy, row);
    const std::int64_t dx_at = offset_of(p.dx, row);
    const auto statistics = Statistics<T>::stored(p.statistics, index);
    const auto load = [&](std::int64_t column, T& n, T& g) {
      n = (load_as<T>(norm.x.data, norm.x.dtype, x_at + column) - statistics.mean) * statistics.scale;
      g = load_as<T>(p.dy.data, p.dy.dtype, dy_at + column) * load_as<T>(norm.weight, column, T{1});
    };
    double sum_g = 0;
    double sum_gn = 0;
    Team::for_columns(norm.width, [&](std::int64_t column) {
      T n, g;
      load(column, n, g);
      sum_g += static_cast<double>(g);
      sum_gn += static_cast<double>(g * n);
    });
    const auto width = static_cast<double>(norm.width);
    const T mean_g = norm.centred ? static_cast<T>(Team::sum(sum_g) / width) : T{0};
    const T mean_gn = static_cast<T>(Team::sum(sum_gn) / width);
    Team::for_columns(norm.width, [&](std::int64_t column) {
      T n, g;
      load(column, n, g);
      put_as<T>(statistics.scale * (g - mean_g - n * mean_gn), p.add_dx, p.dx.data, p.dx.dtype,
                dx_at + column);
    });
  }
};

}  // namespace lvx::cuda
