// SPDX-License-Identifier: Apache-2.0
// Very many tiles of keys. All tiles of the first half are equal, and so are those of the second half, so that rounding errors
// have the same sign. Values are far from 0, and the projection yields keys and values without rounding.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "device/attention_case.h"
#include "recompute/visual_call.h"
#include "support/local_ranks.h"

namespace lvx::test {

using testing::Array;

inline Rows rows_view(Array& x) {
  const Bshd view = x.bshd();
  return {view.data, view.dtype, x.extent(0), x.extent(1), x.extent(2), view.batch_stride, view.row_stride};
}

inline Parameter parameter_view(Array& x) {
  const Bhs view = x.bhs();
  return {view.data, view.dtype, x.extent(0), x.extent(1), view.batch_stride};
}

// Numbers that every dtype represents exactly.
inline void fill_exactly(Array& x, std::mt19937& random) {
  std::uniform_int_distribution<int> eighths(-8, 8);
  for (std::int64_t i = 0; i < x.count(); ++i) x.set(i, 0.125 * eighths(random));
}

struct LongTiles {
  static constexpr std::int64_t kWidth = 8;

  ProblemShape shape{1, 5, 0, 2, 1, 8, 0.35, 0};
  DType dtype;
  bool norms = false;
  Array q, d_o, features, weight, value_weight, bias, value_bias, input_weight, input_bias, key_weight;
  std::vector<std::int32_t> visible;  // [query, range, 2], one range each; empty: everything
  std::optional<Array> key_bias;      // [1, 1, 1, key]

  // offset: added to the values.
  LongTiles(DType type, std::int64_t keys, unsigned seed, double offset = 3);

  // Queries that see few keys, many, those at one end, none, or all.
  void mask() {
    const auto keys = static_cast<std::int32_t>(shape.keys);
    visible = {0, keys / 100, keys / 3, keys, keys - keys / 50, keys, 7, 7, 0, keys};
  }
  // One element per key, plus a constant so large that adding it would round off the logits. The largest element comes late.
  void add_bias() {
    key_bias.emplace(std::vector<std::int64_t>{1, 1, 1, shape.keys}, DType::kFloat32);
    for (std::int64_t i = 0; i < shape.keys; ++i) {
      key_bias->set(i, -1e6 - (i < shape.keys / 2 ? 1 : 0) - 0.25 * static_cast<double>(i % 3));
    }
  }
};

inline LongTiles::LongTiles(DType type, std::int64_t keys, unsigned seed, double offset)
    : dtype(type),
      q({1, 5, 2, 8}, type),
      d_o({1, 5, 2, 8}, type),
      features({1, keys, kWidth}, type),
      weight({8, kWidth}, type),
      value_weight({8, kWidth}, type),
      bias({1, 8}, type),
      value_bias({1, 8}, type),
      input_weight({1, kWidth}, type),
      input_bias({1, kWidth}, type),
      key_weight({1, 8}, type) {
  shape.keys = keys;
  std::mt19937 random(seed);
  Array kinds({2, kWidth}, type);
  for (Array* x : {&kinds, &weight, &value_weight, &bias, &value_bias}) fill_exactly(*x, random);
  for (Array* x : {&input_weight, &input_bias, &key_weight}) {
    testing::Case::randomize(*x, random, 0.2);
    for (std::int64_t i = 0; i < x->count(); ++i) x->set(i, 1 + x->get(i));
  }
  for (Array* x : {&q, &d_o}) testing::Case::randomize(*x, random);
  for (std::int64_t i = 0; i < value_bias.count(); ++i) value_bias.set(i, offset + value_bias.get(i));
  for (std::int64_t i = 0; i < features.count(); ++i) {
    features.set(i, kinds.get(i / kWidth < keys / 2 ? i % kWidth : kWidth + i % kWidth));
  }
}

struct LongResults {
  Array o, lse, rest, bias_max, dq, d_features, weight, value_weight, bias, value_bias, input_weight,
      input_bias, key_weight;

  LongResults(const ProblemShape& p, DType dtype)
      : o({1, p.queries, 2, 8}, dtype),
        lse({1, 2, p.queries}, accumulator_of(dtype)),
        rest(lse),
        bias_max(lse),
        dq(o),
        d_features({1, p.keys, LongTiles::kWidth}, accumulator_of(dtype)),
        weight({8, LongTiles::kWidth}, accumulator_of(dtype), {.offset = 3, .gap = 5}),
        value_weight({8, LongTiles::kWidth}, accumulator_of(dtype)),
        bias({1, 8}, accumulator_of(dtype)),
        value_bias(bias),
        input_weight({1, LongTiles::kWidth}, accumulator_of(dtype)),
        input_bias(input_weight),
        key_weight(bias) {
    d_features.fill(0);
    // Gradients are accumulated.
    for (Array* x : sums()) x->fill(0.5);
  }
  std::vector<Array*> sums() {
    return {&weight, &value_weight, &bias, &value_bias, &input_weight, &input_bias, &key_weight};
  }
};

// Forward and backward of one rank, in place on its share of all arrays. sums are the rank's own.
inline void compute_long_share(Group& group, LongTiles& tiles, std::int64_t tile_rows, LongResults& results) {
  const ProblemShape& all = tiles.shape;
  const std::int64_t rank = group.rank();
  const std::int64_t size = group.size();
  const std::int64_t q0 = all.queries * rank / size;
  const std::int64_t q1 = all.queries * (rank + 1) / size;
  const std::int64_t k0 = all.keys * rank / size;
  const std::int64_t k1 = all.keys * (rank + 1) / size;
  const auto values_of = [&](Array& x) { return x.bhs().row_range(q0, q1); };
  const auto set = [&](auto& call) {
    auto& a = call.attention;
    a.shape = all;
    a.shape.queries = q1 - q0;
    a.shape.keys = k1 - k0;
    a.q = tiles.q.bshd().row_range(q0, q1);
    if (!tiles.visible.empty()) {
      a.visibility = compact_visibility(tiles.visible.data(), all.batch, all.queries, 1).row_range(q0, q1);
    }
    if (tiles.key_bias) {
      a.bias = tiles.key_bias->bias().key_range(k0, k1);
      a.lse_terms = {values_of(results.bias_max), values_of(results.rest)};
    }
    a.o = results.o.bshd().row_range(q0, q1);
    a.lse = values_of(results.lse);
    Projection& projection = call.projection;
    projection.width = LongTiles::kWidth;
    projection.key_heads = all.key_heads;
    projection.head_dim = all.head_dim;
    projection.weight = parameter_view(tiles.weight);
    projection.value_weight = parameter_view(tiles.value_weight);
    projection.bias = parameter_view(tiles.bias);
    projection.value_bias = parameter_view(tiles.value_bias);
    if (tiles.norms) {
      projection.input_norm = {LVX_NORM_LAYER, 1e-5, parameter_view(tiles.input_weight),
                               parameter_view(tiles.input_bias)};
      projection.key_norm = {LVX_NORM_RMS, 1e-5, parameter_view(tiles.key_weight), {}};
    }
    call.features = rows_view(tiles.features).part(k0, k1);
    call.tile_rows = tile_rows;
  };
  VisualForwardCall forward;
  set(forward);
  visual_forward(group, forward, nullptr);
  VisualBackwardCall backward;
  set(backward);
  backward.attention.d_o = tiles.d_o.bshd().row_range(q0, q1);
  backward.attention.dq = results.dq.bshd().row_range(q0, q1);
  backward.d_features = rows_view(results.d_features).part(k0, k1);
  backward.gradients.weight = parameter_view(results.weight);
  backward.gradients.value_weight = parameter_view(results.value_weight);
  backward.gradients.bias = parameter_view(results.bias);
  backward.gradients.value_bias = parameter_view(results.value_bias);
  if (tiles.norms) {
    backward.gradients.input_weight = parameter_view(results.input_weight);
    backward.gradients.input_bias = parameter_view(results.input_bias);
    backward.gradients.key_weight = parameter_view(results.key_weight);
  }
  visual_backward(group, backward, nullptr);
}

// Adds the ranks' sums in float64.
inline LongResults compute_long_tiles(LongTiles& tiles, std::int64_t tile_rows, int ranks,
                                      const RankParts& parts = {}) {
  std::vector<LongResults> shares(static_cast<std::size_t>(ranks), LongResults(tiles.shape, tiles.dtype));
  LongResults whole(tiles.shape, tiles.dtype);
  for (const std::exception_ptr& thrown : run_ranks(
           ranks, {},
           [&](Group& group) {
             LongResults& share = shares[static_cast<std::size_t>(group.rank())];
             compute_long_share(group, tiles, tile_rows, share);
           },
           parts)) {
    if (thrown) std::rethrow_exception(thrown);
  }
  const auto gather = [&](Array LongResults::*of, std::int64_t lines, std::int64_t rows) {
    Array& to = whole.*of;
    const std::int64_t width = to.count() / (lines * rows);
    for (std::int64_t i = 0; i < to.count(); ++i) {
      const std::int64_t row = i / width % rows;
      std::int64_t rank = 0;
      while (rows * (rank + 1) / ranks <= row) ++rank;
      to.set(i, (shares[static_cast<std::size_t>(rank)].*of).get(i));
    }
  };
  const ProblemShape& p = tiles.shape;
  gather(&LongResults::o, 1, p.queries);
  gather(&LongResults::dq, 1, p.queries);
  gather(&LongResults::lse, 2, p.queries);
  gather(&LongResults::d_features, 1, p.keys);
  for (std::size_t which = 0; which < whole.sums().size(); ++which) {
    Array& to = *whole.sums()[which];
    for (std::int64_t i = 0; i < to.count(); ++i) {
      double sum = 0;
      for (LongResults& share : shares) sum += share.sums()[which]->get(i) - 0.5;
      to.set(i, sum);
    }
  }
  return whole;
}

// The same problem in float64, in one tile.
inline LongResults long_reference(const LongTiles& tiles) {
  LongTiles exact(DType::kFloat64, tiles.shape.keys, 0);
  const auto copy = [](const Array& from, Array& to) {
    for (std::int64_t i = 0; i < from.count(); ++i) to.set(i, from.get(i));
  };
  for (Array LongTiles::*x : {&LongTiles::q, &LongTiles::d_o, &LongTiles::features, &LongTiles::weight,
                              &LongTiles::value_weight, &LongTiles::bias, &LongTiles::value_bias,
                              &LongTiles::input_weight, &LongTiles::input_bias, &LongTiles::key_weight}) {
    copy(tiles.*x, exact.*x);
  }
  exact.norms = tiles.norms;
  exact.visible = tiles.visible;
  exact.key_bias = tiles.key_bias;
  return compute_long_tiles(exact, exact.shape.keys, 1);
}

struct ErrorsOfTiles {
  double o, lse, dq, d_features;
  std::vector<double>
      sums;  // weight, value weight, bias, value bias; with norms input weight, input bias, key weight
};

inline ErrorsOfTiles errors_of(LongResults& results, LongResults& expected, bool norms) {
  ErrorsOfTiles errors{error_of(results.o, expected.o),
                       error_of(results.lse, expected.lse),
                       error_of(results.dq, expected.dq),
                       error_of(results.d_features, expected.d_features),
                       {}};
  for (std::size_t i = 0; i < (norms ? 7 : 4); ++i) {
    errors.sums.push_back(error_of(*results.sums()[i], *expected.sums()[i]));
    EXPECT_TRUE(results.sums()[i]->gaps_untouched()) << "sum " << i;
  }
  return errors;
}

inline void expect_within(const ErrorsOfTiles& errors, const testing::Bounds& bounds) {
  EXPECT_LE(errors.o, bounds.o);
  EXPECT_LE(errors.lse, bounds.lse);
  EXPECT_LE(errors.dq, bounds.gradients);
  EXPECT_LE(errors.d_features, bounds.gradients);
  for (std::size_t i = 0; i < errors.sums.size(); ++i) {
    EXPECT_LE(errors.sums[i], bounds.gradients) << "sum " << i;
  }
}

// Many tiles may add at most 5e-6 to the errors of one tile.
inline void expect_no_worse(const ErrorsOfTiles& of_many, const ErrorsOfTiles& of_one) {
  EXPECT_LE(of_many.o, 5e-6 + of_one.o);
  EXPECT_LE(of_many.lse, 5e-6 + of_one.lse);
  EXPECT_LE(of_many.dq, 5e-6 + of_one.dq);
  EXPECT_LE(of_many.d_features, 5e-6 + of_one.d_features);
  for (std::size_t i = 0; i < of_many.sums.size(); ++i) {
    EXPECT_LE(of_many.sums[i], 5e-6 + of_one.sums[i]) << "sum " << i;
  }
}

}  // namespace lvx::test
