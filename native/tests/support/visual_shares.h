// SPDX-License-Identifier: Apache-2.0
// A random visual problem, computed as a whole by textbook loops, and in shares by the ranks of a group.
#pragma once

#include <gtest/gtest.h>

#include <mutex>
#include <random>

#include "recompute/visual_call.h"
#include "support/visual_problem.h"

namespace lvx::test {

struct VisualResults {
  Results attention;  // dk and dv do not change if keys are recomputed
  Values d_features;
  ProjectionValues sums;
  // The largest terms of the reference's results.
  double features_term = 0;
  ProjectionValues sums_terms;

  explicit VisualResults(const VisualProblem& problem)
      : attention(problem.random), d_features(problem.features.size()), sums(problem.parameters.like()) {}
};

inline VisualResults visual_reference(const VisualProblem& problem) {
  VisualResults results(problem);
  results.attention = reference(problem.random);
  results.features_term =
      problem.backward(results.attention.dk, results.attention.dv, results.d_features, results.sums);
  // The projection's gradients are linear in dk, whose rounding errors are relative to its largest term: terms of that size and
  // random signs show how large the terms of these gradients are.
  Values terms(results.attention.dk.size());
  std::mt19937_64 dice(1);
  for (double& term : terms)
    term = dice() % 2 == 0 ? results.attention.terms.dk : -results.attention.terms.dk;
  Values features(results.d_features.size());
  results.sums_terms = problem.parameters.like();
  problem.backward(terms, Values(terms.size()), features, results.sums_terms);
  results.features_term = std::max(results.features_term, largest_of(features));
  return results;
}

inline void expect_equal(const VisualResults& results, const VisualResults& expected) {
  constexpr double kTolerance = 1e-12;
  EXPECT_LE(relative_error(results.attention.o, expected.attention.o), kTolerance) << "o";
  EXPECT_LE(relative_error(results.attention.lse, expected.attention.lse), kTolerance) << "lse";
  EXPECT_LE(relative_error(results.attention.dq, expected.attention.dq, expected.attention.terms.dq),
            kTolerance)
      << "dq";
  EXPECT_LE(
      relative_error(results.attention.d_bias, expected.attention.d_bias, expected.attention.terms.d_bias),
      kTolerance)
      << "d_bias";
  EXPECT_LE(relative_error(results.d_features, expected.d_features, expected.features_term), kTolerance)
      << "d_features";
  EXPECT_LE(relative_error(results.sums.weight, expected.sums.weight, largest_of(expected.sums_terms.weight)),
            kTolerance)
      << "weight";
  EXPECT_LE(relative_error(results.sums.bias, expected.sums.bias, largest_of(expected.sums_terms.bias)),
            kTolerance)
      << "bias";
  EXPECT_LE(relative_error(results.sums.input_weight, expected.sums.input_weight,
                           largest_of(expected.sums_terms.input_weight)),
            kTolerance)
      << "input_weight";
  EXPECT_LE(relative_error(results.sums.input_bias, expected.sums.input_bias,
                           largest_of(expected.sums_terms.input_bias)),
            kTolerance)
      << "input_bias";
  EXPECT_LE(relative_error(results.sums.key_weight, expected.sums.key_weight,
                           largest_of(expected.sums_terms.key_weight)),
            kTolerance)
      << "key_weight";
}

inline void add_to(Values& sum, const Values& more) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
}

// The arguments of one rank's call.
struct VisualShare {
  std::int64_t q0, q1, k0, k1;
  Values q, d_o, features, bias;
  Values o, lse, lse_terms, dq, d_bias, d_features;
  std::vector<std::int32_t> visible, positions;
  ProjectionValues sums;
  VisualForwardCall forward;
  VisualBackwardCall backward;

  VisualShare(const VisualProblem& visual, int rank);
  VisualShare(const VisualShare&) = delete;
  VisualShare& operator=(const VisualShare&) = delete;

 private:
  template <typename Call>
  void set(const VisualProblem& visual, const ProblemShape& p, Call& call);
};

inline VisualShare::VisualShare(const VisualProblem& visual, int rank) {
  const RandomProblem& random = visual.random;
  const auto at = static_cast<std::size_t>(rank);
  const ProblemShape& all = random.shape;
  const std::int64_t q_width = all.query_heads * all.head_dim;
  q0 = random.query_begin[at], q1 = random.query_begin[at + 1];
  k0 = random.key_begin[at], k1 = random.key_begin[at + 1];
  ProblemShape p = all;
  p.queries = q1 - q0;
  p.keys = k1 - k0;
  q = random.rows_of(random.q, all.queries, q_width, q0, q1);
  d_o = random.rows_of(random.d_o, all.queries, q_width, q0, q1);
  features = random.rows_of(visual.features, all.keys, visual.width, k0, k1);
  bias = random.rows_of(random.bias, all.keys, 1, k0, k1);
  for (std::int64_t item = 0; item < all.batch; ++item) {
    const auto row = visual.positions.begin() + item * all.keys;
    positions.insert(positions.end(), row + k0, row + k1);
    if (!random.has_visibility) continue;
    const auto first = random.visible.begin() + (item * all.queries + q0) * random.ranges * 2;
    visible.insert(visible.end(), first, first + p.queries * random.ranges * 2);
  }
  o.resize(q.size());
  dq.resize(q.size());
  lse.resize(static_cast<std::size_t>(p.rows()));
  lse_terms.resize(2 * lse.size() + 1);
  d_bias.resize(bias.size());
  d_features.resize(features.size());
  sums = visual.parameters.like();
  set(visual, p, forward);
  set(visual, p, backward);
  backward.attention.d_o = queries_view(d_o, p);
  backward.attention.dq = queries_view(dq, p);
  if (random.has_bias) backward.attention.d_bias = bias_view(random, d_bias, p.keys);
  backward.d_features = backward.features;
  backward.d_features.data = reinterpret_cast<std::byte*>(d_features.data());
  backward.gradients = visual.gradients(sums);
}

template <typename Call>
void VisualShare::set(const VisualProblem& visual, const ProblemShape& p, Call& call) {
  auto& attention = call.attention;
  attention.shape = p;
  attention.q = queries_view(q, p);
  if (visual.random.has_visibility) attention.visibility = visibility_view(visual.random, visible, p.queries);
  if (visual.random.has_bias) attention.bias = bias_view(visual.random, bias, p.keys);
  attention.o = queries_view(o, p);
  attention.lse = row_values_view(lse, p);
  if (visual.random.has_bias) attention.lse_terms = lse_terms_view(lse_terms, p);
  call.projection = visual.view(visual.parameters, positions, p.keys);
  call.features = {reinterpret_cast<std::byte*>(features.data()),
                   DType::kFloat64,
                   p.batch,
                   p.keys,
                   visual.width,
                   p.keys * visual.width,
                   visual.width};
  call.tile_rows = visual.tile_rows;
}

// Computes one rank's share: forward, then backward from its results. Writes both to their place in the whole.
inline Costs compute_visual_share(Group& group, const VisualProblem& visual, VisualResults& whole) {
  VisualShare share(visual, group.rank());
  Costs costs;
  costs.forward.struct_size = costs.backward.struct_size = sizeof(lvx_statistics);
  visual_forward(group, share.forward, &costs.forward);
  visual_backward(group, share.backward, &costs.backward);

  // The ranks write disjoint rows, and add gradients of parameters one after the other.
  const RandomProblem& random = visual.random;
  const ProblemShape& all = random.shape;
  const std::int64_t q_width = all.query_heads * all.head_dim;
  random.put_rows(whole.attention.o, all.queries, q_width, share.q0, share.o);
  random.put_rows(whole.attention.dq, all.queries, q_width, share.q0, share.dq);
  random.put_rows(whole.attention.lse, all.queries, 1, share.q0, share.lse);
  random.put_rows(whole.attention.d_bias, all.keys, 1, share.k0, share.d_bias);
  random.put_rows(whole.d_features, all.keys, visual.width, share.k0, share.d_features);
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  add_to(whole.sums.weight, share.sums.weight);
  add_to(whole.sums.bias, share.sums.bias);
  add_to(whole.sums.input_weight, share.sums.input_weight);
  add_to(whole.sums.input_bias, share.sums.input_bias);
  add_to(whole.sums.key_weight, share.sums.key_weight);
  return costs;
}

}  // namespace lvx::test
