// SPDX-License-Identifier: Apache-2.0
// Forward with tensor cores (Dao 2023, FlashAttention-2). A block holds a tile of query rows and iterates over the tiles of
// keys that they see. V is loaded while logits are computed, the next K while values are summed.
#pragma once

#include "device/cuda/collective/infinities.h"
#include "device/cuda/collective/multiply.h"
#include "device/cuda/collective/row_result.h"
#include "device/cuda/collective/softmax.h"
#include "device/cuda/collective/tile_walk.h"
#include "device/cuda/collective/unit_rows.h"
#include "device/cuda/kernel/shapes.h"

namespace lvx::cuda {

template <typename T, int kDim, bool kDecode>
class Forward {
 public:
  using Params = ForwardParams;
  static constexpr ForwardShape kShape = forward_shape(kDim, kDecode);
  static constexpr int kThreads = kShape.threads();
  static constexpr int kRows = kShape.rows();
  static constexpr int kKeys = kShape.keys;
  using ValueInfinities = Infinities<T, kKeys, kDim>;
  static constexpr int kSharedBytes =
      SharedTile<kDim>::bytes(kRows + 2 * kKeys) + ValueInfinities::kSharedBytes;

  static LVX_GPU void run(const Params& p) {
    if constexpr (kDecode) {
      sum_up(p, 0);
    } else {
      // No barrier is needed between pieces: the last barrier of a piece follows all reads of Q and K, and V is loaded after
      // the next barrier.
      for (int piece = 0; piece < p.pieces; ++piece) sum_up(p, piece);
    }
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

    const SharedTile<kDim> q_tile{shared_memory()};
    const SharedTile<kDim> k_tile{q_tile.at(kRows, 0)};
    const SharedTile<kDim> v_tile{k_tile.at(kKeys, 0)};
    const int warp_row = warp_index() / kShape.key_warps * 16 * kTiles;
    const int warp_key = warp_index() % kShape.key_warps * kWarpKeys;

    Sums o = {};
    Softmax<kTiles> softmax;
    const TileWalk walk(p.tiles, rows.batch, row_tile, split, p.splits, piece, p.longest);
    load_tile<kDim, kRows, kThreads>(q_tile, p.q, rows, first_row, dim, p.aligned);
    if (walk.begin() < walk.end()) {
      load_tile<kDim, kKeys, kThreads>(k_tile, p.k, keys, walk.tile(walk.begin()) * kKeys, dim, p.aligned);
    }
    commit_copies();
    for (int i = walk.begin(); i < walk.end(); ++i) {
      const int first_key = walk.tile(i) * kKeys;
      const bool masked = walk.partial(i) || p.bias.data != nullptr || first_key + kKeys > keys.count;
      wait_for_copies<0>();
      sync_block();  // K has arrived, and the last V may be overwritten
      load_tile<kDim, kKeys, kThreads>(v_tile, p.v, keys, first_key, dim, p.aligned);
      commit_copies();
      Logits s = {};
      multiply_transposed<T, kTiles, kWarpKeys>(s, q_tile, warp_row, k_tile, warp_key);
      wait_for_copies<0>();
      sync_block();  // V has arrived, and K may be overwritten
      if (i + 1 < walk.end()) {
        load_tile<kDim, kKeys, kThreads>(k_tile, p.k, keys, walk.tile(i + 1) * kKeys, dim, p.aligned);
      }
      commit_copies();
      scale(p, s);
      if (masked) hide(p, rows, first_row + warp_row, first_key + warp_key, keys.count, s);
      softmax.template step<kWarpKeys, kDim>(s, o);
      if (const ValueInfinities infinities(v_tile, v_tile.at(kKeys, 0)); masked && infinities.any()) {
        infinities.template take_out<kThreads>();
        infinities.template add<kTiles, kWarpKeys, kDim>(o, s, warp_key, 0);
      }
      multiply<T, kTiles, kWarpKeys, kDim>(o, s, v_tile, warp_key, 0);
    }
    softmax.finish();
    wait_for_copies<0>();
    if constexpr (!kDecode) {
      if (p.sums.o != nullptr) {
        put_aside(p, rows, split, unit, first_row + warp_row, piece == 0, softmax, o);
        return;
      }
    }
    if constexpr (kShape.key_warps == 1) {
      LVX_UNROLL
      for (int i = 0; i < kTiles; ++i) {
        LVX_UNROLL
        for (int half = 0; half < 2; ++half) {
          const int row = first_row + warp_row + 16 * i + lane() / 4 + 8 * half;
          const float share = softmax.sum[i][half] == 0 ? 0.0f : 1.0f / softmax.sum[i][half];
          write_row<4>(p, rows, row, lse_of(softmax.max[i][half], softmax.sum[i][half]), lane() % 4,
                       [&](int n, float& first, float& second) {
                         first = o[i][n][2 * half] * share;
                         second = o[i][n][2 * half + 1] * share;
                       });
        }
      }
    } else {
      combine_warps(p, rows, split, unit, first_row, softmax, o);
    }
  }

  static constexpr int kTiles = kShape.row_tiles;
  static constexpr int kWarpKeys = kKeys / kShape.key_warps;
  using Logits = float[kTiles][kWarpKeys / 8][4];
  using Sums = float[kTiles][kDim / 8][4];

  static LVX_GPU void scale(const Params& p, Logits& s) {
    const float factor = static_cast<float>(p.shape.scale) * kLog2e;
    LVX_UNROLL
    for (int i = 0; i < kTiles; ++i) {
      LVX_UNROLL
      for (int n = 0; n < kWarpKeys / 8; ++n) {
        LVX_UNROLL
        for (int e = 0; e < 4; ++e) s[i][n][e] *= factor;
      }
    }
  }

  // Adds the bias, relative to the row's base. Sets hidden pairs to -infinity, even if the logit is NaN.
  static LVX_GPU void hide(const Params& p, const UnitRows& rows, int first_row, int first_key, int key_count,
                           Logits& s) {
    const int keys =
        key_count - first_key < kWarpKeys ? (key_count < first_key ? 0 : key_count - first_key) : kWarpKeys;
    LVX_UNROLL
    for (int i = 0; i < kTiles; ++i) {
      LVX_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int row = first_row + 16 * i + lane() / 4 + 8 * half;
        if (row >= rows.count) continue;
        const int query = rows.query(row);
        const int column = lane() % 4 * 2;
        const std::uint64_t seen =
            visible_bits(p.visibility, rows.batch, query, p.shape.first_key + first_key, keys) >> column;
        LVX_UNROLL
        for (int n = 0; n < kWarpKeys / 8; ++n) {
          LVX_UNROLL
          for (int e = 0; e < 2; ++e) {
            float& x = s[i][n][2 * half + e];
            bool sees = (seen >> (8 * n + e) & 1) != 0;
            if (sees && p.bias.data != nullptr) {
              const float bias =
                  bias_at<T>(p.bias, rows.batch, rows.head(row), query, first_key + 8 * n + column + e);
              sees = bias != -kInfinity;
              // Read here, not once per row: that would exceed the register budget.
              x += (bias - bias_base<float>(p.bias_max, rows.batch, rows.head(row), query)) * kLog2e;
            }
            if (!sees) x = -kInfinity;
          }
        }
      }
    }
  }

  // The address of a row's partial result.
  static LVX_GPU std::int64_t aside(const Params& p, const UnitRows& rows, int split, std::int64_t unit,
                                    int row) {
    return (split * p.shape.batch * p.shape.key_heads + unit) * rows.count + row;
  }

  // Adds the warp's float32 sums to the float64 sums; overwrites these if fresh. Tensor cores truncate and float32 rounds, so
  // the error of a float32 sum grows with the number of keys. Therefore a float32 sum spans a limited number of keys, and such
  // sums are added in float64.
  static LVX_GPU void put_aside(const Params& p, const UnitRows& rows, int split, std::int64_t unit,
                                int first_row, bool fresh, const Softmax<kTiles>& softmax, const Sums& o) {
    const int dim = static_cast<int>(p.shape.head_dim);
    auto* sums_o = static_cast<double*>(p.sums.o);
    auto* sums = static_cast<double*>(p.sums.sum);
    const int first = first_row + lane() / 4;
    const int own = lane() % 4 * 2;
    LVX_UNROLL
    for (int i = 0; i < kTiles; ++i) {
      LVX_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int row = first + 16 * i + 8 * half;
        const bool live = row < rows.count;
        const std::int64_t at = aside(p, rows, split, unit, row);
        const float max = softmax.max[i][half];
        const float before = live && !fresh ? load_global(p.sums.max + at) : -kInfinity;
        sync_warp();  // all lanes have read the old maximum
        if (!live) continue;
        const float top = fmaxf(max, before);
        const double mine = max == top ? 1 : power_of_two(max - top);
        const double theirs = before == top ? 1 : power_of_two(before - top);
        const auto add = [&](double* to, float x) {
          const auto term = static_cast<double>(x);
          store_global(to, fresh ? term : mine * term + theirs * load_global(to));
        };
        LVX_UNROLL
        for (int n = 0; n < kDim / 8; ++n) {
          const int column = 8 * n + own;
          if (column >= dim) continue;
          add(sums_o + at * dim + column, o[i][n][2 * half]);
          add(sums_o + at * dim + column + 1, o[i][n][2 * half + 1]);
        }
        if (own != 0) continue;
        add(sums + at, softmax.sum[i][half]);
        store_global(p.sums.max + at, top);
      }
    }
  }

  // kParts lanes share a row. Lane `part` of them writes the pairs of columns that begin at 2 (n kParts + part), for each n.
  template <int kParts, typename Value>
  static LVX_GPU void write_row(const Params& p, const UnitRows& rows, int row, float lse, int part,
                                const Value& value) {
    const int dim = static_cast<int>(p.shape.head_dim);
    const bool live = row < rows.count;
    const int known = live ? row : 0;
    // Padding rows read nothing: they would read row 0, which another block may be writing.
    const RowResult<float> result(p.o, p.lse, rows.batch, rows.query(known), rows.head(known), lse,
                                  p.merge && live);
    sync_warp();  // all lanes have read the old lse
    if (!live) return;
    LVX_UNROLL
    for (int n = 0; n < kDim / 2 / kParts; ++n) {
      const int column = 2 * (n * kParts + part);
      float first, second;
      value(n, first, second);
      if (column < dim) result.template pair<T>(column, first, second, p.paired);
    }
    if (part == 0) result.close();
  }

  // Adds the warps' partial results of the same rows, in the order of their keys.
  static LVX_GPU void combine_warps(const Params& p, const UnitRows& rows, int split, std::int64_t unit,
                                    int first_row, const Softmax<kTiles>& softmax, const Sums& o) {
    constexpr int kWarps = kShape.key_warps;
    constexpr int kStride = kDim + 8;  // puts rows into different banks
    constexpr int kSumsBytes = kWarps * kRows * kStride * 4;
    static_assert(kTiles == 1 && kRows == 16);
    static_assert(kSumsBytes + kWarps * kRows * 8 <= kSharedBytes);
    const SharedAddress sums = shared_memory();
    const SharedAddress stats = sums + kSumsBytes;
    sync_block();  // tiles may be overwritten
    LVX_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int at = warp_index() * kRows + lane() / 4 + 8 * half;
      LVX_UNROLL
      for (int n = 0; n < kDim / 8; ++n) {
        const int column = 8 * n + lane() % 4 * 2;
        store_shared(sums + (at * kStride + column) * 4, o[0][n][2 * half]);
        store_shared(sums + (at * kStride + column + 1) * 4, o[0][n][2 * half + 1]);
      }
      if (lane() % 4 == 0) {
        store_shared(stats + at * 8, softmax.max[0][half]);
        store_shared(stats + (at * 8 + 4), softmax.sum[0][half]);
      }
    }
    sync_block();
    constexpr int kLanesPerRow = kThreads / kRows;
    const int row = thread_index() / kLanesPerRow;
    float max = -kInfinity;
    LVX_UNROLL
    for (int w = 0; w < kWarps; ++w) max = fmaxf(max, load_shared<float>(stats + (w * kRows + row) * 8));
    const float base = max == -kInfinity ? 0.0f : max;
    float weights[kWarps];
    float sum = 0;
    LVX_UNROLL
    for (int w = 0; w < kWarps; ++w) {
      weights[w] = exp2_fast(load_shared<float>(stats + (w * kRows + row) * 8) - base);
      sum += weights[w] * load_shared<float>(stats + ((w * kRows + row) * 8 + 4));
    }
    const int part = thread_index() % kLanesPerRow;
    const bool aside = p.sums.o != nullptr;
    const float share = aside ? 1.0f : sum == 0 ? 0.0f : 1.0f / sum;
    const auto value = [&](int n, float& first, float& second) {
      first = second = 0;
      LVX_UNROLL
      for (int w = 0; w < kWarps; ++w) {
        const int at = (w * kRows + row) * kStride + 2 * (n * kLanesPerRow + part);
        first += weights[w] * load_shared<float>(sums + at * 4);
        second += weights[w] * load_shared<float>(sums + (at * 4 + 4));
      }
      first *= share;
      second *= share;
    };
    if (aside) {
      store_split<kLanesPerRow>(p, rows, split, unit, first_row + row, max, sum, part, value);
    } else {
      write_row<kLanesPerRow>(p, rows, first_row + row, lse_of(max, sum), part, value);
    }
  }

  // In decode, a split is one sum, which is stored directly.
  template <int kParts, typename Value>
  static LVX_GPU void store_split(const Params& p, const UnitRows& rows, int split, std::int64_t unit,
                                  int row, float max, float sum, int part, const Value& value) {
    if (row >= rows.count) return;
    const int dim = static_cast<int>(p.shape.head_dim);
    const std::int64_t at = aside(p, rows, split, unit, row);
    float* to = static_cast<float*>(p.sums.o) + at * dim;
    LVX_UNROLL
    for (int n = 0; n < kDim / 2 / kParts; ++n) {
      const int column = 2 * (n * kParts + part);
      float first, second;
      value(n, first, second);
      if (column >= dim) continue;
      store_global(to + column, first);
      store_global(to + column + 1, second);
    }
    if (part != 0) return;
    store_global(static_cast<float*>(p.sums.sum) + at, sum);
    store_global(p.sums.max + at, max);
  }
};

}  // namespace lvx::cuda
