// SPDX-License-Identifier: Apache-2.0
// Sums over very many tiles, or rows of features, are as exact as short ones.
#include "support/long_tiles.h"

#include <gtest/gtest.h>

#include "recompute/shard_projection.h"
#include "support/campaign.h"

namespace lvx::test {
namespace {

constexpr std::int64_t kTiles = 4096;  // total of all ranks

void expect_exact_tiles(LongTiles& tiles, std::int64_t tile_rows, int ranks) {
  SCOPED_TRACE(std::string(name_of(tiles.dtype)) + " tile_rows=" + std::to_string(tile_rows) +
               " ranks=" + std::to_string(ranks));
  LongResults expected = long_reference(tiles);
  LongResults results = compute_long_tiles(tiles, tile_rows, ranks);
  // Half precision also rounds the projected keys and values.
  const testing::Bounds bounds = testing::bounds_of(tiles.dtype);
  const double factor = tiles.dtype == DType::kFloat32 ? 1 : 2;
  expect_within(errors_of(results, expected, tiles.norms),
                {factor * bounds.o, factor * bounds.gradients, bounds.lse});
}

// With norms, gradients cancel, so that even one tile is not exact. Many tiles must add almost nothing to its errors.
void expect_no_worse_than_one_tile(LongTiles& tiles, std::int64_t tile_rows, int ranks) {
  SCOPED_TRACE("keys=" + std::to_string(tiles.shape.keys) + " tile_rows=" + std::to_string(tile_rows));
  tiles.norms = true;
  LongResults expected = long_reference(tiles);
  LongResults once = compute_long_tiles(tiles, tiles.shape.keys, 1);
  LongResults results = compute_long_tiles(tiles, tile_rows, ranks);
  expect_no_worse(errors_of(results, expected, true), errors_of(once, expected, true));
}

TEST(LongTiles, EqualKeys) {
  unsigned seed = 0;
  for (const DType dtype : {DType::kFloat32, DType::kFloat16}) {
    for (const std::int64_t tile_rows : {1, 16}) {
      for (const int ranks : {1, 2}) {
        // Half precision is too coarse for differences of values far from 0.
        LongTiles tiles(dtype, kTiles * tile_rows, ++seed, dtype == DType::kFloat32 ? 3 : 0);
        expect_exact_tiles(tiles, tile_rows, ranks);
      }
    }
  }
}

TEST(LongTiles, EqualKeysWithNorms) {
  LongTiles tiles(DType::kFloat32, kTiles * 3, 20);
  expect_no_worse_than_one_tile(tiles, 3, 2);
}

// A query may see nothing of a group of tiles, or of all groups.
TEST(LongTiles, OfWhichQueriesSeeAPart) {
  for (const int ranks : {1, 3}) {
    LongTiles tiles(DType::kFloat32, kTiles * 2, 30);
    tiles.mask();
    expect_exact_tiles(tiles, 2, ranks);
  }
}

TEST(LongTiles, WithLargeBiases) {
  for (const bool masked : {false, true}) {
    LongTiles tiles(DType::kFloat32, kTiles * 2, 40);
    tiles.add_bias();
    if (masked) tiles.mask();
    expect_exact_tiles(tiles, 2, 2);
  }
}

// One tile more than a group has requires a separate total.
TEST(LongTiles, AroundTheEndsOfGroups) {
  for (const std::int64_t count : {63, 64, 65, 128, 129}) {
    LongTiles tiles(DType::kFloat32, count, 50);
    expect_no_worse_than_one_tile(tiles, 1, 1);
  }
}

// Rows of features that are all equal, and so are the gradients of their keys and values.
TEST(LongTiles, GradientsOfAShardOfEqualRows) {
  const std::int64_t rows = test::whole_campaigns() ? std::int64_t{1} << 23 : std::int64_t{1} << 20;
  LongTiles tiles(DType::kFloat32, rows, 60);
  Array raw({1, rows, 1, 8}, DType::kFloat32);
  Array dk(raw);
  Array dv(raw);
  std::mt19937 random(61);
  Array of_key({2, 8}, DType::kFloat32);
  testing::Case::randomize(of_key, random);
  for (std::int64_t i = 0; i < raw.count(); ++i) {
    raw.set(i, 1);
    dk.set(i, of_key.get(i % 8));
    dv.set(i, of_key.get(8 + i % 8));
  }
  tiles.shape.keys = rows;
  for (std::int64_t i = 0; i < tiles.features.count(); ++i) tiles.features.set(i, tiles.features.get(i % 8));
  Projection projection;
  projection.width = LongTiles::kWidth;
  projection.key_heads = 1;
  projection.head_dim = 8;
  projection.weight = parameter_view(tiles.weight);
  projection.value_weight = parameter_view(tiles.value_weight);
  projection.bias = parameter_view(tiles.bias);
  projection.value_bias = parameter_view(tiles.value_bias);
  LongResults results({1, 1, 0, 2, 1, 8, 1, 0}, DType::kFloat32);
  ProjectionGradients gradients;
  gradients.weight = parameter_view(results.weight);
  gradients.value_weight = parameter_view(results.value_weight);
  gradients.bias = parameter_view(results.bias);
  gradients.value_bias = parameter_view(results.value_bias);
  const auto device = make_cpu_device({.threads = 1});
  project_backward(*device, projection, rows_view(tiles.features), raw.bshd(), dk.bshd(), dv.bshd(), {},
                   gradients);
  const auto expect_sum = [&](Array& sum, const auto& term) {
    Array expected(sum);
    for (std::int64_t i = 0; i < sum.count(); ++i) {
      expected.set(i, 0.5 + static_cast<double>(rows) * term(i));
    }
    EXPECT_LE(testing::error_of(sum, expected), 5e-6);
  };
  expect_sum(results.weight, [&](std::int64_t i) { return of_key.get(i / 8) * tiles.features.get(i % 8); });
  expect_sum(results.value_weight,
             [&](std::int64_t i) { return of_key.get(8 + i / 8) * tiles.features.get(i % 8); });
  expect_sum(results.bias, [&](std::int64_t i) { return of_key.get(i); });
  expect_sum(results.value_bias, [&](std::int64_t i) { return of_key.get(8 + i); });
}

}  // namespace
}  // namespace lvx::test
