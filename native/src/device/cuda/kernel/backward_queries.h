// SPDX-License-Identifier: Apache-2.0
// dq with tensor cores. As in forward, a block holds a tile of query rows and iterates over the tiles of keys that they see,
// so that one block alone writes a row, and sums it in a fixed order.
#pragma once

#include "device/cuda/collective/gradient.h"
#include "device/cuda/collective/infinities.h"
#include "device/cuda/collective/multiply.h"
#include "device/cuda/collective/tile_walk.h"
#include "device/cuda/collective/unit_rows.h"
#include "device/cuda/kernel/shapes.h"

namespace lvx::cuda {

template <typename T, int kDim>
class BackwardQueries {
 public:
  using Params = BackwardParams;
  static constexpr BackwardShape kShape = backward_queries_shape(kDim);
  static constexpr int kThreads = kBackwardThreads;
  static constexpr int kRows = kShape.outer;
  static constexpr int kKeys = kShape.inner;
  using KeyInfinities = Infinities<T, kKeys, kDim>;
  static constexpr int kSharedBytes =
      SharedTile<kDim>::bytes(2 * kRows + 2 * kKeys) + KeyInfinities::kSharedBytes;

  static LVX_GPU void run(const Params& p) {
    // Each piece ends with a barrier, after which no thread reads tiles.
    for (int piece = 0; piece < p.pieces; ++piece) sum_up(p, piece);
  }

 private:
  static LVX_GPU void sum_up(const Params& p, int piece) {
    const int row_tiles = p.tiles.outer;
    const int row_tile = static_cast<int>(block_index() % row_tiles);
    const int split = static_cast<int>(block_index() / row_tiles % p.splits);
    const std::int64_t unit = block_index() / row_tiles / p.splits;
    const UnitRows rows(p.shape, unit);
    const UnitKeys keys(p.shape, rows);
    const int dim = static_cast<int>(p.shape.head_dim);
    const int first_row = row_tile * kRows;
    const int warp_row = warp_index() * 16;

    const SharedTile<kDim> q_tile{shared_memory()};
    const SharedTile<kDim> do_tile{q_tile.at(kRows, 0)};
    const SharedTile<kDim> k_tile{do_tile.at(kRows, 0)};
    const SharedTile<kDim> v_tile{k_tile.at(kKeys, 0)};
    const auto load_keys = [&](const SharedTile<kDim>& tile, const Bshd& x, const TileWalk& walk, int i) {
      if (i < walk.end())
        load_tile<kDim, kKeys, kThreads>(tile, x, keys, walk.tile(i) * kKeys, dim, p.aligned);
      commit_copies();
    };

    const TileWalk walk(p.tiles, rows.batch, row_tile, split, p.splits, piece, p.longest);
    load_tile<kDim, kRows, kThreads>(q_tile, p.q, rows, first_row, dim, p.aligned);
    load_tile<kDim, kRows, kThreads>(do_tile, p.d_o, rows, first_row, dim, p.aligned);
    load_keys(v_tile, p.v, walk, walk.begin());
    load_keys(k_tile, p.k, walk, walk.begin());
    RowState states[2];
    LVX_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = first_row + warp_row + lane() / 4 + 8 * half;
      if (row < rows.count)
        states[half] = RowState(p.lse, p.delta, rows.batch, rows.head(row), rows.query(row));
    }
    const float scale = static_cast<float>(p.shape.scale) * kLog2e;

    Sums dq = {};
    for (int i = walk.begin(); i < walk.end(); ++i) {
      const int first_key = walk.tile(i) * kKeys;
      const bool masked = walk.partial(i) || p.bias.data != nullptr || first_key + kKeys > keys.count;
      Tile dp = {};
      Tile s = {};
      wait_for_copies<1>();
      sync_block();  // V is there
      multiply_transposed<T, 1, kKeys>(dp, do_tile, warp_row, v_tile, 0);
      wait_for_copies<0>();
      sync_block();  // K has arrived, and V may be overwritten
      load_keys(v_tile, p.v, walk, i + 1);
      multiply_transposed<T, 1, kKeys>(s, q_tile, warp_row, k_tile, 0);
      LVX_UNROLL
      for (int n = 0; n < kKeys / 8; ++n) {
        LVX_UNROLL
        for (int e = 0; e < 4; ++e) s[0][n][e] *= scale;
      }
      if (masked) {
        hide(p, rows, first_row + warp_row, first_key, keys.count, states, s, dp);
      } else {
        LVX_UNROLL
        for (int n = 0; n < kKeys / 8; ++n) {
          LVX_UNROLL
          for (int e = 0; e < 4; ++e) to_gradient(states[e / 2], s[0][n][e], dp[0][n][e]);
        }
      }
      if (const KeyInfinities infinities(k_tile, v_tile.at(kKeys, 0)); masked && infinities.any()) {
        infinities.template take_out<kThreads>();
        infinities.template add<1, kKeys, kDim>(dq, dp, 0, 0);
      }
      multiply<T, 1, kKeys, kDim>(dq, dp, k_tile, 0, 0);
      sync_block();  // K may be overwritten
      load_keys(k_tile, p.k, walk, i + 1);
    }
    wait_for_copies<0>();  // Q and dO may not have arrived if no key is seen
    if (p.split_dq != nullptr) {
      put_aside(p, rows, split, unit, first_row + warp_row, piece == 0, dq);
    } else {
      write(p, rows, first_row + warp_row, dq);
    }
  }

  using Tile = float[1][kKeys / 8][4];
  using Sums = float[1][kDim / 8][4];

  // Applies to_gradient to visible pairs. Sets hidden pairs to 0, even if s or dp is NaN.
  static LVX_GPU void hide(const Params& p, const UnitRows& rows, int first_row, int first_key, int key_count,
                           const RowState (&states)[2], Tile& s, Tile& dp) {
    const int keys = key_count - first_key < kKeys ? key_count - first_key : kKeys;
    LVX_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = first_row + lane() / 4 + 8 * half;
      const bool live = row < rows.count;
      const int query = live ? rows.query(row) : 0;
      const int column = lane() % 4 * 2;
      const std::uint64_t seen =
          live ? visible_bits(p.visibility, rows.batch, query, p.shape.first_key + first_key, keys) >> column
               : 0;
      LVX_UNROLL
      for (int n = 0; n < kKeys / 8; ++n) {
        LVX_UNROLL
        for (int e = 0; e < 2; ++e) {
          float& x = s[0][n][2 * half + e];
          float& dx = dp[0][n][2 * half + e];
          bool sees = (seen >> (8 * n + e) & 1) != 0;
          if (sees && p.bias.data != nullptr) {
            const float bias =
                bias_at<T>(p.bias, rows.batch, rows.head(row), query, first_key + 8 * n + column + e);
            sees = bias != -kInfinity;
            // Read here, not once per row: that would exceed the register budget.
            x += (bias - bias_base<float>(p.bias_max, rows.batch, rows.head(row), query)) * kLog2e;
          }
          to_gradient(states[half], x, dx);
          if (!sees) dx = 0;
        }
      }
    }
  }

  // Adds the warp's float32 sums to the float64 sums; overwrites these if fresh. Forward::put_aside has the reason.
  static LVX_GPU void put_aside(const Params& p, const UnitRows& rows, int split, std::int64_t unit,
                                int first_row, bool fresh, const Sums& dq) {
    const int dim = static_cast<int>(p.shape.head_dim);
    const int first = first_row + lane() / 4;
    LVX_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = first + 8 * half;
      const std::int64_t units = p.shape.batch * p.shape.key_heads;
      double* to = p.split_dq + ((split * units + unit) * rows.count + row) * dim;
      LVX_UNROLL
      for (int n = 0; n < kDim / 8; ++n) {
        LVX_UNROLL
        for (int e = 0; e < 2; ++e) {
          const int column = 8 * n + lane() % 4 * 2 + e;
          if (row >= rows.count || column >= dim) continue;
          const auto own = static_cast<double>(dq[0][n][2 * half + e]);
          store_global(to + column, fresh ? own : own + load_global(to + column));
        }
      }
    }
  }

  static LVX_GPU void write(const Params& p, const UnitRows& rows, int first_row, const Sums& dq) {
    const int dim = static_cast<int>(p.shape.head_dim);
    const float scale = static_cast<float>(p.shape.scale);
    LVX_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = first_row + lane() / 4 + 8 * half;
      if (row >= rows.count) continue;
      const std::int64_t at = offset_of(p.dq, rows.batch, rows.query(row), rows.head(row));
      LVX_UNROLL
      for (int n = 0; n < kDim / 8; ++n) {
        const int column = 8 * n + lane() % 4 * 2;
        if (column >= dim) continue;
        put_pair<T>(scale * dq[0][n][2 * half], scale * dq[0][n][2 * half + 1], p.add_dq, p.paired, p.dq.data,
                    p.dq.dtype, at + column);
      }
    }
  }
};

}  // namespace lvx::cuda
