// SPDX-License-Identifier: Apache-2.0
// The size of the terms of gradients. With a row's weight almost wholly on one key, dP - delta cancels: its rounding errors are
// relative to dP and delta, not to their difference.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "support/random_problem.h"

namespace lvx::test {

// The largest terms of elements of these gradients.
struct GradientTerms {
  double dq = 0, dk = 0, d_bias = 0;
};

// One query row and head of a problem.
struct ProblemRow {
  std::int64_t item, row, head;
};

inline bool is_visible(const RandomProblem& random, const ProblemRow& at, std::int64_t key) {
  if (!random.has_visibility) return true;
  const auto first = static_cast<std::size_t>((at.item * random.shape.queries + at.row) * random.ranges * 2);
  for (std::size_t i = first; i < first + static_cast<std::size_t>(random.ranges) * 2; i += 2) {
    if (key >= random.visible[i] && key < random.visible[i + 1]) return true;
  }
  return false;
}

inline double bias_of(const RandomProblem& random, const ProblemRow& at, std::int64_t key) {
  if (!random.has_bias) return 0;
  const std::int64_t item = random.bias_batch == 1 ? 0 : at.item;
  const std::int64_t head = random.bias_heads == 1 ? 0 : at.head;
  const std::int64_t row = random.bias_rows == 1 ? 0 : at.row;
  const std::int64_t line = (item * random.bias_heads + head) * random.bias_rows + row;
  return random.bias[static_cast<std::size_t>(line * random.shape.keys + key)];
}

inline double largest_of(const double* values, std::int64_t count) {
  double largest = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i]));
  return largest;
}

inline double largest_of(const Values& values) {
  return largest_of(values.data(), static_cast<std::int64_t>(values.size()));
}

inline void add_terms(const RandomProblem& random, const ProblemRow& at, GradientTerms& terms) {
  const ProblemShape& p = random.shape;
  const std::int64_t query = ((at.item * p.queries + at.row) * p.query_heads + at.head) * p.head_dim;
  const double* q = random.q.data() + query;
  const double* d_o = random.d_o.data() + query;
  const std::int64_t key_head = at.head / (p.query_heads / p.key_heads);
  const auto key_row = [&](std::int64_t key) {
    return ((at.item * p.keys + key) * p.key_heads + key_head) * p.head_dim;
  };
  constexpr double kHidden = -std::numeric_limits<double>::infinity();
  std::vector<double> biases(static_cast<std::size_t>(p.keys), kHidden);
  for (std::int64_t key = 0; key < p.keys; ++key) {
    if (is_visible(random, at, key)) biases[static_cast<std::size_t>(key)] = bias_of(random, at, key);
  }
  const double base = *std::max_element(biases.begin(), biases.end());
  if (base == kHidden) return;
  std::vector<double> weights(biases.size()), d_p(biases.size());
  double largest_logit = kHidden;
  for (std::int64_t key = 0; key < p.keys; ++key) {
    const auto i = static_cast<std::size_t>(key);
    double logit = 0;
    for (std::int64_t d = 0; d < p.head_dim; ++d) {
      logit += q[d] * random.k[static_cast<std::size_t>(key_row(key) + d)];
      d_p[i] += d_o[d] * random.v[static_cast<std::size_t>(key_row(key) + d)];
    }
    weights[i] = p.scale * logit + (biases[i] - base);
    largest_logit = std::max(largest_logit, weights[i]);
  }
  double sum = 0;
  for (double& weight : weights) sum += weight = std::exp(weight - largest_logit);
  double delta = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) delta += weights[i] / sum * d_p[i];
  const double largest_q = largest_of(q, p.head_dim);
  for (std::int64_t key = 0; key < p.keys; ++key) {
    const auto i = static_cast<std::size_t>(key);
    if (weights[i] == 0) continue;
    const double term = weights[i] / sum * std::max(std::abs(d_p[i]), std::abs(delta));
    terms.d_bias = std::max(terms.d_bias, term);
    terms.dk = std::max(terms.dk, p.scale * term * largest_q);
    terms.dq = std::max(terms.dq, p.scale * term * largest_of(random.k.data() + key_row(key), p.head_dim));
  }
}

inline GradientTerms gradient_terms(const RandomProblem& random) {
  GradientTerms terms;
  const ProblemShape& p = random.shape;
  if (p.keys == 0) return terms;
  for (std::int64_t item = 0; item < p.batch; ++item) {
    for (std::int64_t row = 0; row < p.queries; ++row) {
      for (std::int64_t head = 0; head < p.query_heads; ++head) add_terms(random, {item, row, head}, terms);
    }
  }
  return terms;
}

}  // namespace lvx::test
