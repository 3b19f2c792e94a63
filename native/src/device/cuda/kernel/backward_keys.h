// SPDX-License-Identifier: Apache-2.0
// dk and dv with tensor cores. A block holds a tile of keys and iterates over the tiles of query rows, of all heads of the
// group, that see these keys. Logits are computed transposed, so that they are the left operand of both products.
#pragma once

#include "device/cuda/collective/gradient.h"
#include "device/cuda/collective/infinities.h"
#include "device/cuda/collective/multiply.h"
#include "device/cuda/collective/tile_walk.h"
#include "device/cuda/collective/unit_rows.h"
#include "device/cuda/kernel/shapes.h"

namespace lvx::cuda {

template <typename T, int kDim>
class BackwardKeys {
 public:
  using Params = BackwardParams;
  static constexpr BackwardShape kShape = backward_keys_shape(kDim);
  static constexpr int kThreads = kBackwardThreads;
  static constexpr int kKeys = kShape.outer;
  static constexpr int kRows = kShape.inner;
  using RowInfinities = Infinities<T, kRows, kDim>;
  static constexpr int kColumns = kDim / kShape.column_parts;
  static constexpr int kSharedBytes =
      SharedTile<kDim>::bytes(2 * kKeys + 2 * kRows) + RowInfinities::kSharedBytes;

  static LVX_GPU void run(const Params& p) {
    const int key_tiles = p.tiles.outer;
    const int key_tile = static_cast<int>(block_index() % key_tiles);
    const int first_column = static_cast<int>(block_index() / key_tiles % kShape.column_parts) * kColumns;
    const std::int64_t unit = block_index() / key_tiles / kShape.column_parts;
    const UnitRows rows(p.shape, unit);
    const UnitKeys keys(p.shape, rows);
    const int dim = static_cast<int>(p.shape.head_dim);
    const int first_key = key_tile * kKeys;
    const int warp_key = warp_index() * 16;

    const SharedTile<kDim> k_tile{shared_memory()};
    const SharedTile<kDim> v_tile{k_tile.at(kKeys, 0)};
    const SharedTile<kDim> q_tile{v_tile.at(kKeys, 0)};
    const SharedTile<kDim> do_tile{q_tile.at(kRows, 0)};
    const SharedAddress masks = do_tile.at(kRows, 0);
    const auto load_rows = [&](const SharedTile<kDim>& tile, const Bshd& x, const TileWalk& walk, int i) {
      if (i < walk.end())
        load_tile<kDim, kRows, kThreads>(tile, x, rows, walk.tile(i) * kRows, dim, p.aligned);
      commit_copies();
    };

    const TileWalk walk(p.tiles, rows.batch, key_tile, 0, 1);
    load_tile<kDim, kKeys, kThreads>(k_tile, p.k, keys, first_key, dim, p.aligned);
    load_tile<kDim, kKeys, kThreads>(v_tile, p.v, keys, first_key, dim, p.aligned);
    load_rows(do_tile, p.d_o, walk, walk.begin());
    load_rows(q_tile, p.q, walk, walk.begin());
    const float scale = static_cast<float>(p.shape.scale) * kLog2e;

    Sums dk = {};
    Sums dv = {};
    for (int i = walk.begin(); i < walk.end(); ++i) {
      const int first_row = walk.tile(i) * kRows;
      const bool masked = walk.partial(i) || p.bias.data != nullptr;
      RowState states[kRows / 8][2];
      LVX_UNROLL
      for (int n = 0; n < kRows / 8; ++n) {
        LVX_UNROLL
        for (int e = 0; e < 2; ++e) {
          const int row = first_row + 8 * n + lane() % 4 * 2 + e;
          if (row < rows.count) {
            states[n][e] = RowState(p.lse, p.delta, rows.batch, rows.head(row), rows.query(row));
          }
        }
      }
      Tile s = {};
      Tile ds = {};
      wait_for_copies<1>();
      sync_block();  // dO is there
      multiply_transposed<T, 1, kRows>(ds, v_tile, warp_key, do_tile, 0);
      wait_for_copies<0>();
      sync_block();  // Q is there
      multiply_transposed<T, 1, kRows>(s, k_tile, warp_key, q_tile, 0);
      LVX_UNROLL
      for (int n = 0; n < kRows / 8; ++n) {
        LVX_UNROLL
        for (int e = 0; e < 4; ++e) s[0][n][e] *= scale;
      }
      if (masked) {
        hide(p, rows, first_row, first_key, first_key + warp_key + lane() / 4, keys.count, states, s, ds);
      } else {
        LVX_UNROLL
        for (int n = 0; n < kRows / 8; ++n) {
          LVX_UNROLL
          for (int e = 0; e < 4; ++e) to_gradient(states[n][e % 2], s[0][n][e], ds[0][n][e]);
        }
      }
      add_product(masked, dv, s, do_tile, masks, first_column);
      sync_block();  // dO may be overwritten
      load_rows(do_tile, p.d_o, walk, i + 1);
      add_product(masked, dk, ds, q_tile, masks, first_column);
      sync_block();  // Q may be overwritten
      load_rows(q_tile, p.q, walk, i + 1);
    }
    wait_for_copies<0>();  // K and V may not have arrived if no row sees a key
    const int first_own = first_key + warp_key + lane() / 4;
    write(p, keys, first_own, first_column, static_cast<float>(p.shape.scale), dk, p.dk);
    write(p, keys, first_own, first_column, 1, dv, p.dv);
  }

 private:
  using Tile = float[1][kRows / 8][4];
  using Sums = float[1][kColumns / 8][4];

  static LVX_GPU void add_product(bool masked, Sums& sums, const Tile& left, const SharedTile<kDim>& right,
                                  SharedAddress masks, int first_column) {
    if (const RowInfinities infinities(right, masks); masked && infinities.any()) {
      infinities.template take_out<kThreads>();
      infinities.template add<1, kRows, kColumns>(sums, left, 0, first_column);
    }
    multiply<T, 1, kRows, kColumns>(sums, left, right, 0, first_column);
  }

  // Applies to_gradient to visible pairs. Sets hidden pairs to 0, even if s or ds is NaN. This lane has the keys own_key and
  // own_key + 8.
  static LVX_GPU void hide(const Params& p, const UnitRows& rows, int first_row, int first_key, int own_key,
                           int key_count, const RowState (&states)[kRows / 8][2], Tile& s, Tile& ds) {
    const int keys = key_count - first_key < kKeys ? key_count - first_key : kKeys;
    LVX_UNROLL
    for (int n = 0; n < kRows / 8; ++n) {
      LVX_UNROLL
      for (int e = 0; e < 2; ++e) {
        const int row = first_row + 8 * n + lane() % 4 * 2 + e;
        const bool live = row < rows.count;
        const int query = live ? rows.query(row) : 0;
        const std::uint64_t seen =
            live ? visible_bits(p.visibility, rows.batch, query, p.shape.first_key + first_key, keys) : 0;
        LVX_UNROLL
        for (int half = 0; half < 2; ++half) {
          const int key = own_key + 8 * half;
          float& x = s[0][n][2 * half + e];
          float& dx = ds[0][n][2 * half + e];
          bool sees = (seen >> (key - first_key) & 1) != 0;
          if (sees && p.bias.data != nullptr) {
            const float bias = bias_at<T>(p.bias, rows.batch, rows.head(row), query, key);
            sees = bias != -kInfinity;
            x += (bias - bias_base<float>(p.bias_max, rows.batch, rows.head(row), query)) * kLog2e;
          }
          to_gradient(states[n][e], x, dx);
          if (!sees) x = dx = 0;
        }
      }
    }
  }

  static LVX_GPU void write(const Params& p, const UnitKeys& keys, int first_own, int first_column,
                            float factor, const Sums& sums, const Bshd& to) {
    const int dim = static_cast<int>(p.shape.head_dim);
    LVX_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int key = first_own + 8 * half;
      if (key >= keys.count) continue;
      const std::int64_t at = offset_of(to, keys.batch, key, keys.key_head);
      LVX_UNROLL
      for (int n = 0; n < kColumns / 8; ++n) {
        const int column = first_column + 8 * n + lane() % 4 * 2;
        if (column >= dim) continue;
        put_pair<T>(factor * sums[0][n][2 * half], factor * sums[0][n][2 * half + 1], p.add_dkv, p.paired,
                    to.data, to.dtype, at + column);
      }
    }
  }
};

}  // namespace lvx::cuda
