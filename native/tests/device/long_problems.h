// SPDX-License-Identifier: Apache-2.0
// Problems with very many keys, or very many queries, that consist of a few distinct rows. The oracle computes each distinct row
// once, weighted by its number of occurrences.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "device/problems.h"

namespace lvx::testing {

// The index of the distinct row for each of n rows. Each distinct row occurs in one contiguous run, whose length is given by its
// share.
inline std::vector<std::int64_t> runs_of(std::int64_t n, const std::vector<double>& shares) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(n), static_cast<std::int64_t>(shares.size()) - 1);
  double end = 0;
  std::int64_t at = 0;
  for (std::size_t row = 0; row < shares.size(); ++row) {
    end += shares[row] * static_cast<double>(n);
    for (; at < std::min(n, static_cast<std::int64_t>(end)); ++at) {
      rows[static_cast<std::size_t>(at)] = static_cast<std::int64_t>(row);
    }
  }
  return rows;
}

inline std::vector<double> counts_of(const std::vector<std::int64_t>& rows, std::int64_t distinct) {
  std::vector<double> counts(static_cast<std::size_t>(distinct));
  for (const std::int64_t row : rows) ++counts[static_cast<std::size_t>(row)];
  return counts;
}

// [1, row, head, dim] of the chosen rows.
inline Array repeated(const Array& few, const std::vector<std::int64_t>& rows) {
  const std::int64_t line = few.extent(2) * few.extent(3);
  Array many({1, static_cast<std::int64_t>(rows.size()), few.extent(2), few.extent(3)}, few.dtype());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::int64_t d = 0; d < line; ++d) {
      many.set(static_cast<std::int64_t>(i) * line + d, few.get(rows[i] * line + d));
    }
  }
  return many;
}

// A few distinct keys, repeated as `rows` says. In the oracle's problem, each distinct key's bias is the logarithm of its count.
struct ManyKeys {
  std::vector<std::int64_t> rows;
  std::vector<double> counts;
  Case few;   // the oracle's problem, with that bias
  Case many;  // the device's problem, without a bias

  ManyKeys(const ProblemShape& p, DType dtype, std::vector<std::int64_t> rows_of_keys, std::int64_t distinct,
           double value_offset, unsigned seed)
      : rows(std::move(rows_of_keys)),
        counts(counts_of(rows, distinct)),
        few(with_keys(p, distinct), dtype, seed),
        many(with_keys(p, 0), dtype, seed) {
    for (std::int64_t i = 0; i < few.v.count(); ++i) few.v.set(i, few.v.get(i) + value_offset);
    many.shape.keys = static_cast<std::int64_t>(rows.size());
    many.q = few.q;
    many.d_o = few.d_o;
    many.k = repeated(few.k, rows);
    many.v = repeated(few.v, rows);
    few.bias.emplace(std::vector<std::int64_t>{1, 1, 1, distinct}, DType::kFloat64);
    for (std::int64_t i = 0; i < distinct; ++i)
      few.bias->set(i, std::log(counts[static_cast<std::size_t>(i)]));
  }

  // The gradient of one key: the oracle's gradient divided by the number of equal keys.
  Array each(const Array& of_all) const {
    Array one = of_all;
    const std::int64_t line = of_all.extent(2) * of_all.extent(3);
    for (std::int64_t i = 0; i < one.count(); ++i) {
      one.set(i, of_all.get(i) / counts[static_cast<std::size_t>(i / line)]);
    }
    return one;
  }

  // The largest error of any key's gradient.
  double error_of_keys(const Array& gradients, const Array& of_all) const {
    const Array expected = each(of_all);
    const std::int64_t line = of_all.extent(2) * of_all.extent(3);
    double largest = 0;
    for (std::int64_t i = 0; i < expected.count(); ++i)
      largest = std::max(largest, std::abs(expected.get(i)));
    double difference = 0;
    for (std::int64_t i = 0; i < gradients.count(); ++i) {
      const std::int64_t row = rows[static_cast<std::size_t>(i / line)];
      const double x = gradients.get(i);
      if (std::isnan(x)) return kInfinity;
      difference = std::max(difference, std::abs(x - expected.get(row * line + i % line)));
    }
    return largest < 1e-6 ? difference : difference / largest;
  }

 private:
  static ProblemShape with_keys(ProblemShape p, std::int64_t keys) {
    p.keys = keys;
    return p;
  }
};

}  // namespace lvx::testing
