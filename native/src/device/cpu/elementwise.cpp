// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/elementwise.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "attention/elements.h"
#include "device/cpu/blocking.h"
#include "device/cpu/for_each.h"
#include "device/cpu/merge_row.h"

namespace lvx::cpu {
namespace {

// Calls work(to, from) with typed pointers; T is the type to compute in.
template <typename T>
void convert(std::int64_t count, const std::byte* from, DType from_dtype, std::byte* to, DType to_dtype) {
  visit_elements(from, from_dtype, [&](const auto* source) {
    visit_elements(to, to_dtype, [&](auto* target) {
      for (std::int64_t i = 0; i < count; ++i) to_element(from_element<T>(source[i]), target[i]);
    });
  });
}

void convert_run(std::int64_t count, const std::byte* from, DType from_dtype, std::byte* to, DType to_dtype) {
  if (count == 0) return;  // Both may be null, which memcpy must not get.
  if (from_dtype == to_dtype) {
    std::memcpy(to, from, static_cast<std::size_t>(count * size_of(from_dtype)));
  } else if (from_dtype == DType::kFloat64 || to_dtype == DType::kFloat64) {
    convert<double>(count, from, from_dtype, to, to_dtype);
  } else {
    convert<float>(count, from, from_dtype, to, to_dtype);
  }
}

struct BshdIndex {
  std::int64_t batch, row, head;

  BshdIndex(std::int64_t i, std::int64_t rows, std::int64_t heads)
      : batch(i / heads / rows), row(i / heads % rows), head(i % heads) {}
};

// Lets a row of both results count from the larger bias_max; returns the part's lse.
template <typename T>
T count_alike(const BshdIndex& at, const Partial& part, T lse, const Partial& into) {
  const auto row_of = [&](const Bhs& values) { return values.at(at.batch, at.head, at.row); };
  const auto load = [&](const Bhs& values) {
    return values.data == nullptr ? T{0} : load_element<T>(row_of(values), values.dtype, 0);
  };
  const T part_max = load(part.bias_max);
  const T into_max = load(into.bias_max);
  const T max = std::max(part_max, into_max);
  T into_lse = load(into.lse);
  recount(into_lse, into_max, max);
  recount(lse, part_max, max);
  store_element(into_lse, row_of(into.lse), into.lse.dtype, 0);
  store_element(max, row_of(into.bias_max), into.bias_max.dtype, 0);
  return lse;
}

template <typename T>
void merge_as(Workers& workers, const Problem& p, const Partial& part, const Partial& into) {
  for_each(workers, p.rows(), p.head_dim, [&](std::int64_t i) {
    const BshdIndex at(i, p.queries, p.query_heads);
    T o[kMaxHeadDim];
    T room[kMaxHeadDim];
    T lse = load_element<T>(part.lse.at(at.batch, at.head, at.row), part.lse.dtype, 0);
    if (lse == -std::numeric_limits<T>::infinity()) return;
    if (into.bias_max.data != nullptr) lse = count_alike(at, part, lse, into);
    load_row(part.o.at(at.batch, at.row, at.head), part.o.dtype, p.head_dim, o);
    merge_row_into(o, lse, p.head_dim, into.o.at(at.batch, at.row, at.head), into.o.dtype,
                   into.lse.at(at.batch, at.head, at.row), into.lse.dtype, room);
  });
}

template <typename T>
void delta_as(Workers& workers, const Problem& p, const Bshd& o, const Bshd& d_o, const Bhs& delta) {
  for_each(workers, p.rows(), 2 * p.head_dim, [&](std::int64_t i) {
    const BshdIndex at(i, p.queries, p.query_heads);
    T x[kMaxHeadDim];
    T y[kMaxHeadDim];
    load_row(o.at(at.batch, at.row, at.head), o.dtype, p.head_dim, x);
    load_row(d_o.at(at.batch, at.row, at.head), d_o.dtype, p.head_dim, y);
    // Eight sums side by side: head_dim is a multiple of 8, and rounding grows with the eighth of it.
    T sums[8] = {};
    for (std::int64_t d = 0; d < p.head_dim; d += 8) {
      for (std::int64_t j = 0; j < 8; ++j) sums[j] += x[d + j] * y[d + j];
    }
    const T sum = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    store_element(sum, delta.at(at.batch, at.head, at.row), delta.dtype, 0);
  });
}

template <typename T>
void add_as(Workers& workers, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
            const Bshd& from, const Bshd& to) {
  for_each(workers, batch * rows * heads, dim, [&](std::int64_t i) {
    const BshdIndex at(i, rows, heads);
    // dim is not always headDim: a bias's gradient has keys there, lse queries.
    constexpr std::int64_t kRun = 256;
    T x[kRun];
    T y[kRun];
    for (std::int64_t begin = 0; begin < dim; begin += kRun) {
      const std::int64_t n = std::min(kRun, dim - begin);
      const std::byte* source = from.at(at.batch, at.row, at.head) + begin * size_of(from.dtype);
      std::byte* target = to.at(at.batch, at.row, at.head) + begin * size_of(to.dtype);
      load_row(source, from.dtype, n, x);
      load_row(target, to.dtype, n, y);
      for (std::int64_t d = 0; d < n; ++d) y[d] += x[d];
      store_row(y, n, target, to.dtype);
    }
  });
}

}  // namespace

void merge(Workers& workers, const Problem& problem, const Partial& part, const Partial& into) {
  if (part.o.dtype == DType::kFloat64 || into.o.dtype == DType::kFloat64) {
    merge_as<double>(workers, problem, part, into);
  } else {
    merge_as<float>(workers, problem, part, into);
  }
}

void delta(Workers& workers, const Problem& problem, const Bshd& o, const Bshd& d_o, const Bhs& delta) {
  if (delta.dtype == DType::kFloat64) {
    delta_as<double>(workers, problem, o, d_o, delta);
  } else {
    delta_as<float>(workers, problem, o, d_o, delta);
  }
}

void copy(Workers& workers, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
          const Bshd& from, const Bshd& to) {
  for_each(workers, batch * rows * heads, dim, [&](std::int64_t i) {
    const BshdIndex at(i, rows, heads);
    convert_run(dim, from.at(at.batch, at.row, at.head), from.dtype, to.at(at.batch, at.row, at.head),
                to.dtype);
  });
}

void copy(Workers& workers, std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& from,
          const Bhs& to) {
  for_each(workers, batch * heads, rows, [&](std::int64_t i) {
    convert_run(rows, from.at(i / heads, i % heads, 0), from.dtype, to.at(i / heads, i % heads, 0), to.dtype);
  });
}

void add(Workers& workers, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
         const Bshd& from, const Bshd& to) {
  if (to.dtype == DType::kFloat64) {
    add_as<double>(workers, batch, rows, heads, dim, from, to);
  } else {
    add_as<float>(workers, batch, rows, heads, dim, from, to);
  }
}

void copy(Workers& workers, std::int64_t batch, std::int64_t rows, const Visibility& from, std::int32_t* to) {
  for_each(workers, batch * rows, 2 * from.ranges, [&](std::int64_t i) {
    const std::int32_t* source = from.at(i / rows, i % rows);
    std::int32_t* target = to + i * from.ranges * 2;
    for (std::int64_t r = 0; r < from.ranges; ++r) {
      target[2 * r] = source[r * from.range_stride];
      target[2 * r + 1] = source[r * from.range_stride + 1];
    }
  });
}

}  // namespace lvx::cpu
