// SPDX-License-Identifier: Apache-2.0
// A random problem, computed as a whole by the oracle, and in shares by the ranks of a group.
#pragma once

#include <vector>

#include "attention/reference.h"
#include "schedule/attention_call.h"
#include "support/gradient_terms.h"
#include "support/random_problem.h"

namespace lvx::test {

// [bias_max or rest, batch, heads, queries].
inline LseTerms lse_terms_view(const Values& terms, const ProblemShape& p) {
  const auto rows = static_cast<std::size_t>(p.rows());
  double* data = const_cast<double*>(terms.data());
  return {compact_row_values(data, DType::kFloat64, p), compact_row_values(data + rows, DType::kFloat64, p)};
}

struct Results {
  Values o, lse, dq, dk, dv, d_bias;
  GradientTerms terms;  // of the reference

  explicit Results(const RandomProblem& random)
      : o(random.q.size()),
        lse(static_cast<std::size_t>(random.shape.rows())),
        dq(random.q.size()),
        dk(random.k.size()),
        dv(random.v.size()),
        d_bias(random.bias.size()) {}
};

inline Bias bias_view(const RandomProblem& random, const Values& values, std::int64_t keys) {
  // A shard without keys still has a bias, of no columns.
  static double nothing = 0;
  void* data = values.empty() ? &nothing : const_cast<double*>(values.data());
  return compact_bias(data, DType::kFloat64, random.bias_batch, random.bias_heads, random.bias_rows, keys);
}

inline Visibility visibility_view(const RandomProblem& random, const std::vector<std::int32_t>& values,
                                  std::int64_t rows) {
  static const std::int32_t nothing = 0;
  return compact_visibility(values.empty() ? &nothing : values.data(), random.shape.batch, rows,
                            random.ranges);
}

inline Results reference(const RandomProblem& random) {
  const ProblemShape& p = random.shape;
  Results results(random);
  ReferenceForward forward;
  forward.shape = p;
  forward.q = queries_view(random.q, p);
  forward.k = keys_view(random.k, p);
  forward.v = keys_view(random.v, p);
  if (random.has_visibility) forward.visibility = visibility_view(random, random.visible, p.queries);
  if (random.has_bias) forward.bias = bias_view(random, random.bias, p.keys);
  forward.o = queries_view(results.o, p);
  forward.lse = row_values_view(results.lse, p);
  const Values lse_terms(2 * results.lse.size() + 1);
  forward.lse_terms = lse_terms_view(lse_terms, p);
  reference_forward(forward);

  ReferenceBackward backward;
  backward.shape = p;
  backward.q = forward.q;
  backward.k = forward.k;
  backward.v = forward.v;
  backward.o = forward.o;
  backward.lse = forward.lse;
  backward.lse_terms = forward.lse_terms;
  backward.visibility = forward.visibility;
  backward.bias = forward.bias;
  backward.d_o = queries_view(random.d_o, p);
  backward.dq = queries_view(results.dq, p);
  backward.dk = keys_view(results.dk, p);
  backward.dv = keys_view(results.dv, p);
  if (random.has_bias) backward.d_bias = bias_view(random, results.d_bias, p.keys);
  reference_backward(backward);
  results.terms = gradient_terms(random);
  return results;
}

struct Costs {
  lvx_statistics forward{}, backward{};
};

// Computes one rank's share: forward, then backward from its results. Writes both to their place in the whole.
inline Costs compute_share(Group& group, const RandomProblem& random, lvx_strategy strategy, Results& whole) {
  const int rank = group.rank();
  const auto at = static_cast<std::size_t>(rank);
  const ProblemShape& all = random.shape;
  const std::int64_t q_width = all.query_heads * all.head_dim;
  const std::int64_t k_width = all.key_heads * all.head_dim;
  const std::int64_t q0 = random.query_begin[at], q1 = random.query_begin[at + 1];
  const std::int64_t k0 = random.key_begin[at], k1 = random.key_begin[at + 1];

  ProblemShape p = all;
  p.queries = q1 - q0;
  p.keys = k1 - k0;
  const Values q = random.rows_of(random.q, all.queries, q_width, q0, q1);
  const Values d_o = random.rows_of(random.d_o, all.queries, q_width, q0, q1);
  const Values k = random.rows_of(random.k, all.keys, k_width, k0, k1);
  const Values v = random.rows_of(random.v, all.keys, k_width, k0, k1);
  const Values bias = random.rows_of(random.bias, all.keys, 1, k0, k1);
  std::vector<std::int32_t> visible;
  for (std::int64_t item = 0; random.has_visibility && item < all.batch; ++item) {
    const auto first = random.visible.begin() + (item * all.queries + q0) * random.ranges * 2;
    visible.insert(visible.end(), first, first + p.queries * random.ranges * 2);
  }
  Values o(q.size()), dq(q.size()), dk(k.size()), dv(v.size()), d_bias(bias.size());
  Values lse(static_cast<std::size_t>(p.rows()));

  Costs costs;
  costs.forward.struct_size = costs.backward.struct_size = sizeof(lvx_statistics);
  ForwardCall forward;
  forward.shape = p;
  forward.q = queries_view(q, p);
  forward.k = keys_view(k, p);
  forward.v = keys_view(v, p);
  if (random.has_visibility) forward.visibility = visibility_view(random, visible, p.queries);
  if (random.has_bias) forward.bias = bias_view(random, bias, p.keys);
  forward.o = queries_view(o, p);
  forward.lse = row_values_view(lse, p);
  const Values lse_terms(2 * lse.size() + 1);
  forward.lse_terms = lse_terms_view(lse_terms, p);
  forward.strategy = strategy;
  attention_forward(group, forward, &costs.forward);

  BackwardCall backward;
  backward.shape = p;
  backward.q = forward.q;
  backward.k = forward.k;
  backward.v = forward.v;
  backward.o = forward.o;
  backward.lse = forward.lse;
  backward.lse_terms = forward.lse_terms;
  backward.visibility = forward.visibility;
  backward.bias = forward.bias;
  backward.d_o = queries_view(d_o, p);
  backward.dq = queries_view(dq, p);
  backward.dk = keys_view(dk, p);
  backward.dv = keys_view(dv, p);
  if (random.has_bias) backward.d_bias = bias_view(random, d_bias, p.keys);
  backward.strategy = strategy;
  attention_backward(group, backward, &costs.backward);

  // The ranks write disjoint rows.
  random.put_rows(whole.o, all.queries, q_width, q0, o);
  random.put_rows(whole.dq, all.queries, q_width, q0, dq);
  random.put_rows(whole.lse, all.queries, 1, q0, lse);
  random.put_rows(whole.dk, all.keys, k_width, k0, dk);
  random.put_rows(whole.dv, all.keys, k_width, k0, dv);
  random.put_rows(whole.d_bias, all.keys, 1, k0, d_bias);
  return costs;
}

}  // namespace lvx::test
