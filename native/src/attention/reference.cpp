// SPDX-License-Identifier: Apache-2.0
#include "attention/reference.h"

#include <cmath>
#include <limits>
#include <vector>

#include "attention/elements.h"

namespace lvx {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Row = std::vector<double>;

Row row_of(const Bshd& x, std::int64_t b, std::int64_t row, std::int64_t head, std::int64_t dim) {
  Row values(static_cast<std::size_t>(dim));
  load_row(x.at(b, row, head), x.dtype, dim, values.data());
  return values;
}

void set(const Bshd& x, std::int64_t b, std::int64_t row, std::int64_t head, const Row& values) {
  store_row(values.data(), static_cast<std::int64_t>(values.size()), x.at(b, row, head), x.dtype);
}

double dot(const Row& x, const Row& y) {
  double sum = 0;
  for (std::size_t d = 0; d < x.size(); ++d) sum += x[d] * y[d];
  return sum;
}

void add(Row& sum, double factor, const Row& x) {
  for (std::size_t d = 0; d < x.size(); ++d) sum[d] += factor * x[d];
}

// x[b, row, head] += factor * values.
void add(const Bshd& x, std::int64_t b, std::int64_t row, std::int64_t head, double factor,
         const Row& values) {
  Row sum = row_of(x, b, row, head, static_cast<std::int64_t>(values.size()));
  add(sum, factor, values);
  set(x, b, row, head, sum);
}

bool visible(const Visibility& visibility, std::int64_t b, std::int64_t row, std::int64_t key) {
  if (visibility.everything()) return true;
  const std::int32_t* ranges = visibility.data + b * visibility.batch_stride + row * visibility.row_stride;
  for (std::int64_t r = 0; r < visibility.ranges; ++r) {
    const std::int32_t* range = ranges + r * visibility.range_stride;
    if (range[0] <= key && key < range[1]) return true;
  }
  return false;
}

// The largest bias of the keys that one query sees; -inf for none.
template <typename Arguments>
double bias_max_of(const Arguments& a, std::int64_t b, std::int64_t row, std::int64_t head) {
  double max = -kInfinity;
  for (std::int64_t key = 0; key < a.shape.keys; ++key) {
    if (!visible(a.visibility, b, row, a.shape.first_key + key)) continue;
    max = std::fmax(max,
                    a.bias.none() ? 0 : load_element<double>(a.bias.at(b, head, row, key), a.bias.dtype, 0));
  }
  return max;
}

// The logits of one query, with bias - base in place of the bias; -inf for a hidden key, even if that key holds NaN.
// Subtracting base does not change softmax. With a base near the bias, adding the bias does not round off q k^T.
template <typename Arguments>
Row logits(const Arguments& a, std::int64_t b, std::int64_t row, std::int64_t head, double base) {
  const ProblemShape& p = a.shape;
  const std::int64_t key_head = head / (p.query_heads / p.key_heads);
  const Row q = row_of(a.q, b, row, head, p.head_dim);
  Row s(static_cast<std::size_t>(p.keys), -kInfinity);
  for (std::int64_t key = 0; key < p.keys; ++key) {
    if (!visible(a.visibility, b, row, p.first_key + key)) continue;
    const double bias =
        a.bias.none() ? 0 : load_element<double>(a.bias.at(b, head, row, key), a.bias.dtype, 0);
    if (bias == -kInfinity) continue;
    s[static_cast<std::size_t>(key)] =
        p.scale * dot(q, row_of(a.k, b, key, key_head, p.head_dim)) + (bias - base);
  }
  return s;
}

void clear(const Bshd& x, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim) {
  const Row zeros(static_cast<std::size_t>(dim), 0.0);
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t head = 0; head < heads; ++head) set(x, b, row, head, zeros);
    }
  }
}

// Clears the elements of a broadcast bias several times.
void clear(const Bias& d_bias, const ProblemShape& p) {
  if (d_bias.none()) return;
  for (std::int64_t b = 0; b < p.batch; ++b) {
    for (std::int64_t head = 0; head < p.query_heads; ++head) {
      for (std::int64_t row = 0; row < p.queries; ++row) {
        for (std::int64_t key = 0; key < p.keys; ++key) {
          store_element(0.0, d_bias.at(b, head, row, key), d_bias.dtype, 0);
        }
      }
    }
  }
}

// sum over keys of exp(logit - largest logit).
struct Denominator {
  double max = -kInfinity;
  double sum = 0;

  explicit Denominator(const Row& s) {
    for (const double x : s) max = std::fmax(max, x);
    for (const double x : s) {
      if (x != -kInfinity) sum += std::exp(x - max);
    }
  }
  double log() const { return sum == 0 ? -kInfinity : max + std::log(sum); }
};

void forward_row(const ReferenceForward& a, std::int64_t b, std::int64_t row, std::int64_t head) {
  const ProblemShape& p = a.shape;
  const std::int64_t key_head = head / (p.query_heads / p.key_heads);
  const double bias_max = bias_max_of(a, b, row, head);
  const Row s = logits(a, b, row, head, bias_max);
  const Denominator denominator(s);
  Row o(static_cast<std::size_t>(p.head_dim), 0.0);
  for (std::int64_t key = 0; key < p.keys; ++key) {
    const double x = s[static_cast<std::size_t>(key)];
    if (x != -kInfinity) {
      const double weight = std::exp(x - denominator.max) / denominator.sum;
      add(o, weight, row_of(a.v, b, key, key_head, p.head_dim));
    }
  }
  set(a.o, b, row, head, o);
  const double rest = denominator.log();
  store_element(bias_max + rest, a.lse.at(b, head, row), a.lse.dtype, 0);
  if (a.lse_terms.none()) return;
  store_element(bias_max, a.lse_terms.bias_max.at(b, head, row), a.lse_terms.bias_max.dtype, 0);
  store_element(rest, a.lse_terms.rest.at(b, head, row), a.lse_terms.rest.dtype, 0);
}

void backward_row(const ReferenceBackward& a, std::int64_t b, std::int64_t row, std::int64_t head) {
  const ProblemShape& p = a.shape;
  const std::int64_t key_head = head / (p.query_heads / p.key_heads);
  const auto load = [&](const Bhs& x) { return load_element<double>(x.at(b, head, row), x.dtype, 0); };
  const double base = a.lse_terms.none() ? bias_max_of(a, b, row, head) : load(a.lse_terms.bias_max);
  const Row s = logits(a, b, row, head, base);
  double lse = 0;  // relative to base
  if (a.lse_terms.none()) {
    const double rest = Denominator(s).log();
    // The difference is 0, unless a.lse spans more keys than these: then it is the other keys' share of lse.
    lse = rest + (load(a.lse) - (base + rest));
  } else {
    lse = load(a.lse_terms.rest);
  }
  const Row q = row_of(a.q, b, row, head, p.head_dim);
  const Row d_o = row_of(a.d_o, b, row, head, p.head_dim);
  const double delta = dot(row_of(a.o, b, row, head, p.head_dim), d_o);
  for (std::int64_t key = 0; key < p.keys; ++key) {
    const double x = s[static_cast<std::size_t>(key)];
    if (x == -kInfinity) continue;
    const double weight = std::exp(x - lse);
    const double ds = weight * (dot(d_o, row_of(a.v, b, key, key_head, p.head_dim)) - delta);
    add(a.dq, b, row, head, p.scale * ds, row_of(a.k, b, key, key_head, p.head_dim));
    add(a.dk, b, key, key_head, p.scale * ds, q);
    add(a.dv, b, key, key_head, weight, d_o);
    if (!a.d_bias.none()) {
      std::byte* sum = a.d_bias.at(b, head, row, key);
      store_element(load_element<double>(sum, a.d_bias.dtype, 0) + ds, sum, a.d_bias.dtype, 0);
    }
  }
}

}  // namespace

void reference_forward(const ReferenceForward& a) {
  const ProblemShape& p = a.shape;
  for (std::int64_t b = 0; b < p.batch; ++b) {
    for (std::int64_t head = 0; head < p.query_heads; ++head) {
      for (std::int64_t row = 0; row < p.queries; ++row) forward_row(a, b, row, head);
    }
  }
}

void reference_backward(const ReferenceBackward& a) {
  const ProblemShape& p = a.shape;
  clear(a.dq, p.batch, p.queries, p.query_heads, p.head_dim);
  clear(a.dk, p.batch, p.keys, p.key_heads, p.head_dim);
  clear(a.dv, p.batch, p.keys, p.key_heads, p.head_dim);
  clear(a.d_bias, p);
  for (std::int64_t b = 0; b < p.batch; ++b) {
    for (std::int64_t head = 0; head < p.query_heads; ++head) {
      for (std::int64_t row = 0; row < p.queries; ++row) backward_row(a, b, row, head);
    }
  }
}

}  // namespace lvx
