// SPDX-License-Identifier: Apache-2.0
// Seeded random problems in float64 with random splits over ranks: the arguments of each rank's call, and the assembly of the
// ranks' results.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "attention/views.h"

namespace lvx::test {

using Values = std::vector<double>;

inline Bshd queries_view(const Values& values, const ProblemShape& p) {
  return compact_queries(const_cast<double*>(values.data()), DType::kFloat64, p);
}
inline Bshd keys_view(const Values& values, const ProblemShape& p) {
  return compact_keys(const_cast<double*>(values.data()), DType::kFloat64, p);
}
inline Bhs row_values_view(const Values& values, const ProblemShape& p) {
  return compact_row_values(const_cast<double*>(values.data()), DType::kFloat64, p);
}

// max |x - reference| / max |reference| over finite elements, as in the numeric contract. Infinite for a misplaced infinity or
// NaN. Where terms cancel in the reference, differences of a few roundings of the largest term count as none.
inline double relative_error(const Values& x, const Values& reference, double largest_term = 0) {
  constexpr double kRoundings = 64 * std::numeric_limits<double>::epsilon();
  double difference = 0;
  double magnitude = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    if (std::isinf(reference[i]) && x[i] == reference[i]) continue;
    if (!std::isfinite(reference[i]) || !std::isfinite(x[i])) return std::numeric_limits<double>::infinity();
    difference = std::max(difference, std::abs(x[i] - reference[i]));
    magnitude = std::max(magnitude, std::abs(reference[i]));
  }
  if (difference <= kRoundings * largest_term) return 0;
  return magnitude < 1e-6 ? difference : difference / magnitude;
}

struct RandomProblem {
  ProblemShape shape;  // the whole, unsharded
  int ranks = 1;
  std::vector<std::int64_t> query_begin, key_begin;  // ranks + 1 bounds each
  Values q, k, v, d_o, bias;
  std::vector<std::int32_t> visible;  // [batch, queries, ranges, 2]
  std::int64_t ranges = 0;
  bool has_visibility = false;
  bool has_bias = false;
  std::int64_t bias_batch = 1, bias_heads = 1, bias_rows = 1;

  explicit RandomProblem(std::uint64_t seed);
  // A problem of these sizes, without masks, split evenly.
  RandomProblem(std::uint64_t seed, const ProblemShape& sizes, int size);

  std::int64_t queries(int rank) const { return bound(query_begin, rank + 1) - bound(query_begin, rank); }
  std::int64_t keys(int rank) const { return bound(key_begin, rank + 1) - bound(key_begin, rank); }

  // Rows [begin, end) of a tensor of [batch, rows, width].
  Values rows_of(const Values& whole, std::int64_t rows, std::int64_t width, std::int64_t begin,
                 std::int64_t end) const;
  void put_rows(Values& whole, std::int64_t rows, std::int64_t width, std::int64_t begin,
                const Values& part) const;

  bool sees(int home, int rank) const;

 private:
  static std::int64_t bound(const std::vector<std::int64_t>& bounds, int rank) {
    return bounds[static_cast<std::size_t>(rank)];
  }
};

inline std::vector<std::int64_t> random_bounds(std::mt19937_64& random, int ranks, std::int64_t total) {
  std::vector<std::int64_t> bounds = {0, total};
  for (int cut = 1; cut < ranks; ++cut) {
    bounds.push_back(std::uniform_int_distribution<std::int64_t>(0, total)(random));
  }
  std::sort(bounds.begin(), bounds.end());
  return bounds;
}

inline RandomProblem::RandomProblem(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  const auto fill = [&](Values& values, std::int64_t count) {
    std::normal_distribution<double> normal;
    values.resize(static_cast<std::size_t>(count));
    for (double& value : values) value = normal(random);
  };
  shape.batch = pick(1, 2);
  shape.key_heads = pick(1, 2);
  shape.query_heads = shape.key_heads * pick(1, 3);
  shape.head_dim = 8 * pick(1, 4);
  shape.queries = pick(0, 30);
  shape.keys = pick(0, 90);
  shape.scale = 1 / std::sqrt(static_cast<double>(shape.head_dim));
  ranks = static_cast<int>(pick(1, 7));
  query_begin = random_bounds(random, ranks, shape.queries);
  key_begin = random_bounds(random, ranks, shape.keys);
  fill(q, shape.query_elements());
  fill(d_o, shape.query_elements());
  fill(k, shape.key_elements());
  fill(v, shape.key_elements());

  has_visibility = pick(0, 2) != 0;
  if (has_visibility) {
    ranges = pick(1, 3);
    for (std::int64_t row = 0; row < shape.batch * shape.queries; ++row) {
      std::vector<std::int64_t> cuts;
      // With short ranges in one part of the keys, whole ranks are not seen.
      const std::int64_t low = pick(0, shape.keys);
      const std::int64_t high = pick(low, std::min(shape.keys, low + pick(0, 40)));
      for (std::int64_t cut = 0; cut < 2 * ranges; ++cut) cuts.push_back(pick(low, high));
      std::sort(cuts.begin(), cuts.end());
      for (const std::int64_t cut : cuts) visible.push_back(static_cast<std::int32_t>(cut));
    }
  }
  has_bias = pick(0, 2) == 0;
  if (has_bias) {
    bias_batch = pick(0, 1) != 0 ? shape.batch : 1;
    bias_heads = pick(0, 1) != 0 ? shape.query_heads : 1;
    bias_rows = pick(0, 1) != 0 ? shape.queries : 1;
    fill(bias, bias_batch * bias_heads * bias_rows * shape.keys);
    for (double& value : bias) {
      if (pick(0, 9) == 0) value = -std::numeric_limits<double>::infinity();
    }
  }
}

inline RandomProblem::RandomProblem(std::uint64_t seed, const ProblemShape& sizes, int size)
    : shape(sizes), ranks(size) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  for (int rank = 0; rank <= size; ++rank) {
    query_begin.push_back(sizes.queries * rank / size);
    key_begin.push_back(sizes.keys * rank / size);
  }
  q.resize(static_cast<std::size_t>(sizes.query_elements()));
  d_o.resize(q.size());
  k.resize(static_cast<std::size_t>(sizes.key_elements()));
  v.resize(k.size());
  for (Values* values : {&q, &d_o, &k, &v}) {
    for (double& value : *values) value = normal(random);
  }
}

inline Values RandomProblem::rows_of(const Values& whole, std::int64_t rows, std::int64_t width,
                                     std::int64_t begin, std::int64_t end) const {
  Values part;
  for (std::int64_t item = 0; rows > 0 && item < static_cast<std::int64_t>(whole.size()) / (rows * width);
       ++item) {
    const auto first = whole.begin() + (item * rows + begin) * width;
    part.insert(part.end(), first, first + (end - begin) * width);
  }
  return part;
}

inline void RandomProblem::put_rows(Values& whole, std::int64_t rows, std::int64_t width, std::int64_t begin,
                                    const Values& part) const {
  if (rows == 0 || part.empty()) return;
  const std::int64_t items = static_cast<std::int64_t>(whole.size()) / (rows * width);
  const std::int64_t length = static_cast<std::int64_t>(part.size()) / items;
  for (std::int64_t item = 0; item < items; ++item) {
    std::copy(part.begin() + item * length, part.begin() + (item + 1) * length,
              whole.begin() + (item * rows + begin) * width);
  }
}

inline bool RandomProblem::sees(int home, int rank) const {
  if (!has_visibility) return queries(home) > 0 && keys(rank) > 0;
  for (std::int64_t item = 0; item < shape.batch; ++item) {
    for (std::int64_t row = bound(query_begin, home); row < bound(query_begin, home + 1); ++row) {
      for (std::int64_t range = 0; range < ranges; ++range) {
        const auto at = static_cast<std::size_t>(((item * shape.queries + row) * ranges + range) * 2);
        const std::int64_t begin = std::max<std::int64_t>(visible[at], bound(key_begin, rank));
        const std::int64_t end = std::min<std::int64_t>(visible[at + 1], bound(key_begin, rank + 1));
        if (begin < end) return true;
      }
    }
  }
  return false;
}

}  // namespace lvx::test
