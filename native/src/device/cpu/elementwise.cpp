// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/elementwise.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "attention/elements.h"
#include "device/cpu/blocking.h"
#include "device/cpu/for_each.h"
#include "device/cpu/merge_row.h"
#include "device/extents.h"

namespace lvx::cpu {
namespace {

// Calls work(to, from) with typed pointers. T is the compute type.
template <typename T>
void convert(std::int64_t count, const std::byte* from, DType from_dtype, std::byte* to, DType to_dtype) {
  visit_elements(from, from_dtype, [&](const auto* source) {
    visit_elements(to, to_dtype, [&](auto* target) {
      for (std::int64_t i = 0; i < count; ++i) to_element(from_element<T>(source[i]), target[i]);
    });
  });
}

void convert_run(std::int64_t count, const std::byte* from, DType from_dtype, std::byte* to, DType to_dtype) {
  if (count == 0) return;  // both pointers may be null, which memcpy does not allow
  if (from_dtype == to_dtype) {
    std::memcpy(to, from, static_cast<std::size_t>(count * size_of(from_dtype)));
  } else if (from_dtype == DType::kFloat64 || to_dtype == DType::kFloat64) {
    convert<double>(count, from, from_dtype, to, to_dtype);
  } else {
    convert<float>(count, from, from_dtype, to, to_dtype);
  }
}

std::int64_t rows_of(const Bshd& x) { return x.batch * x.rows * x.heads; }

struct BshdIndex {
  std::int64_t batch, row, head;

  // Row i of a tensor with these extents.
  BshdIndex(std::int64_t i, const Bshd& like)
      : batch(i / like.heads / like.rows), row(i / like.heads % like.rows), head(i % like.heads) {}
};

// Makes a row of both results relative to the larger bias_max. Returns the part's lse.
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
void merge_as(ThreadTeam& team, const Partial& part, const Partial& into) {
  const std::int64_t dim = into.o.dim;
  for_each(team, rows_of(into.o), dim, [&](std::int64_t i) {
    const BshdIndex at(i, into.o);
    T o[kMaxHeadDim];
    T room[kMaxHeadDim];
    T lse = load_element<T>(part.lse.at(at.batch, at.head, at.row), part.lse.dtype, 0);
    if (lse == -std::numeric_limits<T>::infinity()) return;
    if (into.bias_max.data != nullptr) lse = count_alike(at, part, lse, into);
    load_row(part.o.at(at.batch, at.row, at.head), part.o.dtype, dim, o);
    merge_row_into(o, lse, dim, into.o.at(at.batch, at.row, at.head), into.o.dtype,
                   into.lse.at(at.batch, at.head, at.row), into.lse.dtype, room);
  });
}

template <typename T>
void delta_as(ThreadTeam& team, const Bshd& o, const Bshd& d_o, const Bhs& delta) {
  for_each(team, rows_of(o), 2 * o.dim, [&](std::int64_t i) {
    const BshdIndex at(i, o);
    T x[kMaxHeadDim];
    T y[kMaxHeadDim];
    load_row(o.at(at.batch, at.row, at.head), o.dtype, o.dim, x);
    load_row(d_o.at(at.batch, at.row, at.head), d_o.dtype, o.dim, y);
    // Eight independent sums, since head_dim is a multiple of 8. The error grows with head_dim / 8.
    T sums[8] = {};
    for (std::int64_t d = 0; d < o.dim; d += 8) {
      for (std::int64_t j = 0; j < 8; ++j) sums[j] += x[d + j] * y[d + j];
    }
    const T sum = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    store_element(sum, delta.at(at.batch, at.head, at.row), delta.dtype, 0);
  });
}

template <typename T>
void add_as(ThreadTeam& team, const Bshd& from, const Bshd& to) {
  for_each(team, rows_of(to), to.dim, [&](std::int64_t i) {
    const BshdIndex at(i, to);
    // dim is not always headDim: it is the keys of a bias's gradient, and the queries of lse.
    constexpr std::int64_t kRun = 256;
    T x[kRun];
    T y[kRun];
    for (std::int64_t begin = 0; begin < to.dim; begin += kRun) {
      const std::int64_t n = std::min(kRun, to.dim - begin);
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

void merge(ThreadTeam& team, const Partial& part, const Partial& into) {
  require_extents_of_merge(part, into);
  if (part.o.dtype == DType::kFloat64 || into.o.dtype == DType::kFloat64) {
    merge_as<double>(team, part, into);
  } else {
    merge_as<float>(team, part, into);
  }
}

void delta(ThreadTeam& team, const Bshd& o, const Bshd& d_o, const Bhs& delta) {
  require_extents_of_delta(o, d_o, delta);
  if (delta.dtype == DType::kFloat64) {
    delta_as<double>(team, o, d_o, delta);
  } else {
    delta_as<float>(team, o, d_o, delta);
  }
}

void copy(ThreadTeam& team, const Bshd& from, const Bshd& to) {
  require_extents_of_copy(from, to);
  for_each(team, rows_of(to), to.dim, [&](std::int64_t i) {
    const BshdIndex at(i, to);
    convert_run(to.dim, from.at(at.batch, at.row, at.head), from.dtype, to.at(at.batch, at.row, at.head),
                to.dtype);
  });
}

void copy(ThreadTeam& team, const Visibility& from, std::int32_t* to) {
  for_each(team, from.batch * from.rows, 2 * from.ranges, [&](std::int64_t i) {
    const std::int32_t* source = from.at(i / from.rows, i % from.rows);
    std::int32_t* target = to + i * from.ranges * 2;
    for (std::int64_t r = 0; r < from.ranges; ++r) {
      target[2 * r] = source[r * from.range_stride];
      target[2 * r + 1] = source[r * from.range_stride + 1];
    }
  });
}

void add(ThreadTeam& team, const Bshd& from, const Bshd& to) {
  require_extents_of_copy(from, to);
  if (to.dtype == DType::kFloat64) {
    add_as<double>(team, from, to);
  } else {
    add_as<float>(team, from, to);
  }
}

}  // namespace lvx::cpu
