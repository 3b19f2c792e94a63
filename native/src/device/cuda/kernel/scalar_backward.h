// SPDX-License-Identifier: Apache-2.0
// Gradients in float32 or float64 without tensor cores. A warp computes one row of a gradient and processes 32 rows of the
// other side at a time, one per lane. These 32 rows are summed in T, and such sums, of which there may be very many, in
// float64.
#pragma once

#include "device/cuda/collective/scalar_logit.h"
#include "device/cuda/collective/warp_row.h"
#include "device/cuda/kernel/params.h"

namespace lvx::cuda {

template <typename T>
class ScalarBackwardQueries {
 public:
  using Params = BackwardParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    if (warp_row() >= row_count(p.shape)) return;
    const UnitRow row(p.shape, warp_row());
    const int dim = static_cast<int>(p.shape.head_dim);
    double dq[kLaneColumns] = {};
    for (std::int64_t first = 0; first < p.shape.keys; first += kWarp) {
      const int keys = p.shape.keys - first < kWarp ? static_cast<int>(p.shape.keys - first) : kWarp;
      const std::uint64_t seen =
          visible_bits(p.visibility, row.batch, row.query, p.shape.first_key + first, keys);
      if (seen == 0) continue;
      T ds = 0;
      if ((seen >> lane() & 1) != 0) {
        ds = ScalarGradient<T>(p, row.batch, row.query, row.head, static_cast<int>(first) + lane(),
                               row.key_head)
                 .ds;
      }
      T added[kLaneColumns] = {};
      for (int j = 0; j < keys; ++j) {
        const T factor = shuffle(ds, j);
        if (factor == 0) continue;  // hidden or zero weight: k may hold NaN
        const std::int64_t at = offset_of(p.k, row.batch, first + j, row.key_head);
        for_columns(dim, [&](int i, int column) {
          added[i] += factor * load_global(elements<T>(p.k.data) + at + column);
        });
      }
      for_columns(dim, [&](int i, int) { dq[i] += static_cast<double>(added[i]); });
    }
    const std::int64_t at = offset_of(p.dq, row);
    for_columns(dim, [&](int i, int column) {
      put_as<double>(p.shape.scale * dq[i], p.add_dq, p.dq.data, p.dq.dtype, at + column);
    });
  }
};

template <typename T>
class ScalarBackwardKeys {
 public:
  using Params = BackwardParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    if (warp_row() >= p.shape.batch * p.shape.key_heads * p.shape.keys) return;
    const UnitRows rows(p.shape, warp_row() / p.shape.keys);
    const int key = static_cast<int>(warp_row() % p.shape.keys);
    const int dim = static_cast<int>(p.shape.head_dim);
    double dk[kLaneColumns] = {};
    double dv[kLaneColumns] = {};
    for (int first = 0; first < rows.count; first += kWarp) {
      const int row = first + lane();
      ScalarPair mine{0, 0};
      if (row < rows.count &&
          visible_bits(p.visibility, rows.batch, rows.query(row), p.shape.first_key + key, 1) != 0) {
        const ScalarGradient<T> gradient(p, rows.batch, rows.query(row), rows.head(row), key, rows.key_head);
        mine = {gradient.p, gradient.ds};
      }
      T added_dk[kLaneColumns] = {};
      T added_dv[kLaneColumns] = {};
      for (int j = 0; j < kWarp && first + j < rows.count; ++j) {
        const T weight = shuffle(mine.p, j);
        const T factor = shuffle(mine.ds, j);
        const int query = rows.query(first + j);
        const int head = rows.head(first + j);
        if (weight != 0) {
          const std::int64_t at = offset_of(p.d_o, rows.batch, query, head);
          for_columns(dim, [&](int i, int column) {
            added_dv[i] += weight * load_global(elements<T>(p.d_o.data) + at + column);
          });
        }
        if (factor != 0) {
          const std::int64_t at = offset_of(p.q, rows.batch, query, head);
          for_columns(dim, [&](int i, int column) {
            added_dk[i] += factor * load_global(elements<T>(p.q.data) + at + column);
          });
        }
      }
      for_columns(dim, [&](int i, int) {
        dk[i] += static_cast<double>(added_dk[i]);
        dv[i] += static_cast<double>(added_dv[i]);
      });
    }
    const std::int64_t dk_at = offset_of(p.dk, rows.batch, key, rows.key_head);
    const std::int64_t dv_at = offset_of(p.dv, rows.batch, key, rows.key_head);
    for_columns(dim, [&](int i, int column) {
      put_as<double>(p.shape.scale * dk[i], p.add_dkv, p.dk.data, p.dk.dtype, dk_at + column);
      put_as<double>(dv[i], p.add_dkv, p.dv.data, p.dv.dtype, dv_at + column);
    });
  }

 private:
  struct ScalarPair {
    T p, ds;
  };
};

}  // namespace lvx::cuda
