// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/bias_max.h"

#include <algorithm>
#include <limits>

#include "attention/elements.h"
#include "device/cpu/for_each.h"
#include "device/cpu/merge_row.h"

namespace lvx::cpu {
namespace {

template <typename T>
constexpr T kNone = -std::numeric_limits<T>::infinity();

// The largest of count elements, -inf if there are none. Ignores NaN, which propagates through the logits anyway.
template <typename T>
T largest(const std::byte* data, DType dtype, std::int64_t count) {
  constexpr std::int64_t kRun = 512;
  constexpr std::int64_t kSideBySide = 32;  // independent maxima, to fill vectors
  T line[kRun];
  T max[kSideBySide];
  std::fill_n(max, kSideBySide, kNone<T>);
  for (std::int64_t begin = 0; begin < count; begin += kRun) {
    const std::int64_t n = std::min(kRun, count - begin);
    load_row(data + begin * size_of(dtype), dtype, n, line);
    const std::int64_t padded = round_up(n, kSideBySide);
    std::fill(line + n, line + padded, kNone<T>);
    for (std::int64_t i = 0; i < padded; i += kSideBySide) {
      for (std::int64_t j = 0; j < kSideBySide; ++j) max[j] = line[i + j] > max[j] ? line[i + j] : max[j];
    }
  }
  return *std::max_element(max, max + kSideBySide);
}

// The maximum over the call's keys [begin, end).
template <typename T>
T largest_bias(const ForwardProblem& a, std::int64_t batch, std::int64_t head, std::int64_t row,
               std::int64_t begin, std::int64_t end) {
  if (begin >= end) return kNone<T>;
  if (a.bias.none()) return T{0};
  return largest<T>(a.bias.at(batch, head, row, begin), a.bias.dtype, end - begin);
}

template <typename T>
T largest_visible_bias(const ForwardProblem& a, std::int64_t batch, std::int64_t head, std::int64_t row) {
  const ProblemShape& p = a.shape;
  if (a.visibility.everything()) return largest_bias<T>(a, batch, head, row, 0, p.keys);
  T max = kNone<T>;
  const std::int32_t* range = a.visibility.at(batch, row);
  for (std::int64_t i = 0; i < a.visibility.ranges; ++i, range += a.visibility.range_stride) {
    const std::int64_t begin = std::max<std::int64_t>(range[0] - p.first_key, 0);
    const std::int64_t end = std::min<std::int64_t>(range[1] - p.first_key, p.keys);
    max = std::max(max, largest_bias<T>(a, batch, head, row, begin, end));
  }
  return max;
}

template <typename T>
void put(const ForwardProblem& a, std::int64_t batch, std::int64_t head, std::int64_t row, T max) {
  std::byte* at = a.out.bias_max.at(batch, head, row);
  if (a.merge) {
    std::byte* lse_at = a.out.lse.at(batch, head, row);
    T lse = load_element<T>(lse_at, a.out.lse.dtype, 0);
    const T before = load_element<T>(at, a.out.bias_max.dtype, 0);
    max = std::max(max, before);
    recount(lse, before, max);
    store_element(lse, lse_at, a.out.lse.dtype, 0);
  }
  store_element(max, at, a.out.bias_max.dtype, 0);
}

// Heads and queries that share a row of the bias, and see the same keys, share its maximum.
template <typename T>
void set_as(ThreadTeam& team, const ForwardProblem& a) {
  const ProblemShape& p = a.shape;
  const bool heads_alike = a.bias.none() || a.bias.head_stride == 0;
  const bool rows_alike = a.visibility.everything() && (a.bias.none() || a.bias.row_stride == 0);
  const std::int64_t heads = heads_alike ? std::min<std::int64_t>(1, p.query_heads) : p.query_heads;
  const std::int64_t rows = rows_alike ? std::min<std::int64_t>(1, p.queries) : p.queries;
  for_each(team, p.batch * heads * rows, p.keys, [&](std::int64_t i) {
    const std::int64_t batch = i / rows / heads;
    const std::int64_t first_head = i / rows % heads;
    const std::int64_t first_row = i % rows;
    const T max = largest_visible_bias<T>(a, batch, first_head, first_row);
    for (std::int64_t head = first_head; head < (heads_alike ? p.query_heads : first_head + 1); ++head) {
      for (std::int64_t row = first_row; row < (rows_alike ? p.queries : first_row + 1); ++row) {
        put(a, batch, head, row, max);
      }
    }
  });
}

}  // namespace

void set_bias_max(ThreadTeam& team, const ForwardProblem& problem) {
  if (problem.out.bias_max.data == nullptr) return;
  if (problem.out.bias_max.dtype == DType::kFloat64) {
    set_as<double>(team, problem);
  } else {
    set_as<float>(team, problem);
  }
}

}  // namespace lvx::cpu
