// SPDX-License-Identifier: Apache-2.0
// Adds biases to random problems: values that masks have in practice, and values up to the largest finite number.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "support/random_problem.h"

namespace lvx::test {

inline constexpr double kHugeBiases[] = {-1e4, -65504, -1e9, -3.4028234663852886e38, -1e300,
                                         1e4,  65504,  1e9,  3.4028234663852886e38,  1e300};

// A bias of any extents: constant rows, a few elements, mixtures, or small differences added to a huge value.
inline void give_huge_bias(RandomProblem& random, std::uint64_t seed) {
  std::mt19937_64 dice(seed * 31 + 7);
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(dice);
  };
  const auto huge = [&] {
    return kHugeBiases[static_cast<std::size_t>(pick(0, std::size(kHugeBiases) - 1))];
  };
  const ProblemShape& p = random.shape;
  random.has_bias = true;
  random.bias_batch = pick(0, 1) != 0 ? p.batch : 1;
  random.bias_heads = pick(0, 1) != 0 ? p.query_heads : 1;
  random.bias_rows = pick(0, 3) != 0 ? p.queries : 1;
  random.bias.assign(
      static_cast<std::size_t>(random.bias_batch * random.bias_heads * random.bias_rows * p.keys), 0.0);
  const std::int64_t kind = pick(0, 4);
  double of_row = 0;
  for (std::size_t i = 0; i < random.bias.size(); ++i) {
    if (static_cast<std::int64_t>(i) % p.keys == 0 && (kind != 0 || i == 0)) of_row = huge();
    double& value = random.bias[i];
    value = of_row;
    if (kind == 2) value = pick(0, 2) == 0 ? -std::abs(of_row) : 0;
    if (kind == 3) value = pick(0, 3) == 0 ? -std::numeric_limits<double>::infinity() : huge();
    if (kind == 4) value = of_row + static_cast<double>(pick(0, 8)) / 4;
  }
}

// The largest |x - reference| / max(1, |reference|): rows of lse differ by many orders of magnitude.
inline double entrywise_error(const Values& x, const Values& reference) {
  double largest = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    if (std::isinf(reference[i]) && x[i] == reference[i]) continue;
    if (!std::isfinite(x[i]) || !std::isfinite(reference[i])) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(x[i] - reference[i]) / std::max(1.0, std::abs(reference[i])));
  }
  return largest;
}

}  // namespace lvx::test
