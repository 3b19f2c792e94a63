// SPDX-License-Identifier: Apache-2.0
// A random problem computed whole by the oracle, and share by share by the ranks of a group.
#pragma once

#include <vector>

#include "attention/reference.h"
#include "schedule/attention_call.h"
#include "support/random_problem.h"

namespace lvx::test {

// [bias_max or rest, batch, heads, queries].
inline LseTerms lse_terms_view(const Values& terms, const Problem& p) {
  const auto rows = static_cast<std::size_t>(p.rows());
  double* data = const_cast<double*>(terms.data());
  return {compact_bhs(data, DType::kFloat64, p.query_heads, p.queries),
          compact_bhs(data + rows, DType::kFloat64, p.query_heads, p.queries)};
}

struct Results {
  Values o, lse, dq, dk, dv, d_bias;

  explicit Results(const RandomProblem& random)
      : o(random.q.size()),
        lse(static_cast<std::size_t>(random.problem.rows())),
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
  return compact_visibility(values.empty() ? &nothing : values.data(), rows, random.ranges);
}

inline Results reference(const RandomProblem& random) {
  const Problem& p = random.problem;
  Results results(random);
  ReferenceForward forward;
  forward.problem = p;
  forward.q = bshd_of(random.q, p.queries, p.query_heads, p.head_dim);
  forward.k = bshd_of(random.k, p.keys, p.key_heads, p.head_dim);
  forward.v = bshd_of(random.v, p.keys, p.key_heads, p.head_dim);
  if (random.has_visibility) forward.visibility = visibility_view(random, random.visible, p.queries);
  if (random.has_bias) forward.bias = bias_view(random, random.bias, p.keys);
  forward.o = bshd_of(results.o, p.queries, p.query_heads, p.head_dim);
  forward.lse = bhs_of(results.lse, p.query_heads, p.queries);
  const Values lse_terms(2 * results.lse.size() + 1);
  forward.lse_terms = lse_terms_view(lse_terms, p);
  reference_forward(forward);

  ReferenceBackward backward;
  backward.problem = p;
  backward.q = forward.q;
  backward.k = forward.k;
  backward.v = forward.v;
  backward.o = forward.o;
  backward.lse = forward.lse;
  backward.lse_terms = forward.lse_terms;
  backward.visibility = forward.visibility;
  backward.bias = forward.bias;
  backward.d_o = bshd_of(random.d_o, p.queries, p.query_heads, p.head_dim);
  backward.dq = bshd_of(results.dq, p.queries, p.query_heads, p.head_dim);
  backward.dk = bshd_of(results.dk, p.keys, p.key_heads, p.head_dim);
  backward.dv = bshd_of(results.dv, p.keys, p.key_heads, p.head_dim);
  if (random.has_bias) backward.d_bias = bias_view(random, results.d_bias, p.keys);
  reference_backward(backward);
  return results;
}

struct Costs {
  lvx_statistics forward{}, backward{};
};

// One rank's share: forward, then backward from its results; both written into their place of the whole.
inline Costs compute_share(Group& group, const RandomProblem& random, lvx_strategy strategy, Results& whole) {
  const int rank = group.rank();
  const auto at = static_cast<std::size_t>(rank);
  const Problem& all = random.problem;
  const std::int64_t q_width = all.query_heads * all.head_dim;
  const std::int64_t k_width = all.key_heads * all.head_dim;
  const std::int64_t q0 = random.query_begin[at], q1 = random.query_begin[at + 1];
  const std::int64_t k0 = random.key_begin[at], k1 = random.key_begin[at + 1];

  Problem p = all;
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
  AttentionForward forward;
  forward.problem = p;
  forward.q = bshd_of(q, p.queries, p.query_heads, p.head_dim);
  forward.k = bshd_of(k, p.keys, p.key_heads, p.head_dim);
  forward.v = bshd_of(v, p.keys, p.key_heads, p.head_dim);
  if (random.has_visibility) forward.visibility = visibility_view(random, visible, p.queries);
  if (random.has_bias) forward.bias = bias_view(random, bias, p.keys);
  forward.bias_extents = {random.bias_batch, random.bias_heads, random.bias_rows};
  forward.o = bshd_of(o, p.queries, p.query_heads, p.head_dim);
  forward.lse = bhs_of(lse, p.query_heads, p.queries);
  const Values lse_terms(2 * lse.size() + 1);
  forward.lse_terms = lse_terms_view(lse_terms, p);
  forward.strategy = strategy;
  attention_forward(group, forward, &costs.forward);

  AttentionBackward backward;
  backward.problem = p;
  backward.q = forward.q;
  backward.k = forward.k;
  backward.v = forward.v;
  backward.o = forward.o;
  backward.lse = forward.lse;
  backward.lse_terms = forward.lse_terms;
  backward.visibility = forward.visibility;
  backward.bias = forward.bias;
  backward.bias_extents = forward.bias_extents;
  backward.d_o = bshd_of(d_o, p.queries, p.query_heads, p.head_dim);
  backward.dq = bshd_of(dq, p.queries, p.query_heads, p.head_dim);
  backward.dk = bshd_of(dk, p.keys, p.key_heads, p.head_dim);
  backward.dv = bshd_of(dv, p.keys, p.key_heads, p.head_dim);
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
