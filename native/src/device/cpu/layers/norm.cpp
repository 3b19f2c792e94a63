// SPDX-License-Identifier: Apache-2.0
// RMS norm (arXiv 1910.07467) and layer norm (arXiv 1607.06450). The statistics of a row are summed in double. Each row is
// read several times, in pieces; all but the first read hit the cache.
#include "device/cpu/layers/norm.h"

#include <algorithm>
#include <cmath>

#include "attention/elements.h"
#include "device/cpu/blocking.h"
#include "device/cpu/for_each.h"
#include "device/cpu/scratch.h"
#include "device/cpu/scratch_check.h"

namespace lvx::cpu {
namespace {

constexpr std::int64_t kPiece = 256;  // elements of a row that are converted at a time

// Gradients of parameters are sums over all rows. They are computed as a fixed number of partial sums, which are added in
// order, so that the result does not depend on the number of threads.
constexpr std::int64_t kParts = 16;

// One row per head.
std::int64_t rows_of(const Bshd& x) { return x.batch * x.rows * x.heads; }

std::byte* row_at(const Bshd& x, std::int64_t index) {
  const std::int64_t row = index / x.heads;
  return x.at(row / x.rows, row % x.rows, index % x.heads);
}

// Calls work(begin, count) for the pieces of a row.
template <typename Work>
void for_each_piece(std::int64_t width, const Work& work) {
  for (std::int64_t begin = 0; begin < width; begin += kPiece) work(begin, std::min(kPiece, width - begin));
}

template <typename T>
void load_piece(const std::byte* row, DType dtype, std::int64_t begin, std::int64_t count, T* piece) {
  load_row(row + begin * size_of(dtype), dtype, count, piece);
}

// Sums term(i) over [0, count), in eight independent accumulators.
template <typename Term>
double sum(std::int64_t count, const Term& term) {
  double sums[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (std::int64_t j = 0; j < 8; ++j) sums[j] += term(i + j);
  }
  for (; i < count; ++i) sums[0] += term(i);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

// The normalised row is (x - mean) * scale, before weight and bias.
struct Statistics {
  double mean = 0;
  double scale = 1;
};

template <typename T>
Statistics statistics_of(const Norm& norm, const std::byte* row, DType dtype, std::int64_t width) {
  T x[kPiece];
  Statistics result;
  const auto count_of_row = static_cast<double>(width);
  if (norm.kind == LVX_NORM_LAYER) {
    double total = 0;
    for_each_piece(width, [&](std::int64_t begin, std::int64_t count) {
      load_piece(row, dtype, begin, count, x);
      total += sum(count, [&](std::int64_t i) { return static_cast<double>(x[i]); });
    });
    result.mean = total / count_of_row;
  }
  double squares = 0;
  for_each_piece(width, [&](std::int64_t begin, std::int64_t count) {
    load_piece(row, dtype, begin, count, x);
    squares += sum(count, [&](std::int64_t i) {
      const double centred = static_cast<double>(x[i]) - result.mean;
      return centred * centred;
    });
  });
  result.scale = 1 / std::sqrt(squares / count_of_row + norm.epsilon);
  return result;
}

// A parameter's piece, or its default if there is none.
template <typename T>
void load_parameter(const Parameter& parameter, T absent, std::int64_t begin, std::int64_t count, T* piece) {
  if (parameter.none()) {
    std::fill_n(piece, count, absent);
  } else {
    load_piece(parameter.data, parameter.dtype, begin, count, piece);
  }
}

template <typename T>
void forward_as(ThreadTeam& team, const Norm& norm, const Bshd& x, const Bshd& y) {
  for_each(team, rows_of(x), x.dim, [&](std::int64_t index) {
    const std::byte* const from = row_at(x, index);
    std::byte* const to = row_at(y, index);
    const Statistics statistics = statistics_of<T>(norm, from, x.dtype, x.dim);
    const T mean = static_cast<T>(statistics.mean);
    const T scale = static_cast<T>(statistics.scale);
    for_each_piece(x.dim, [&](std::int64_t begin, std::int64_t count) {
      T row[kPiece], weight[kPiece], bias[kPiece];
      load_piece(from, x.dtype, begin, count, row);
      load_parameter(norm.weight, T{1}, begin, count, weight);
      load_parameter(norm.bias, T{0}, begin, count, bias);
      for (std::int64_t i = 0; i < count; ++i) row[i] = (row[i] - mean) * scale * weight[i] + bias[i];
      store_row(row, count, to + begin * size_of(y.dtype), y.dtype);
    });
  });
}

struct NormBackwardProblem {
  const Norm& norm;
  const Bshd &x, &dy, &dx;
  bool add_dx;
};

// The gradient of one row, and its share of the parameters' gradients, which are null if not wanted. With
// n = (x - mean) * scale and g = dy * weight: dx = scale * (g - mean(g) - n * mean(g * n)). mean(g) is for layer norm only.
template <typename T>
void backward_row(const NormBackwardProblem& a, std::int64_t index, double* dweight, double* dbias) {
  const std::int64_t width = a.x.dim;
  const std::byte* const x = row_at(a.x, index);
  const std::byte* const dy = row_at(a.dy, index);
  const Statistics statistics = statistics_of<T>(a.norm, x, a.x.dtype, width);
  const T mean = static_cast<T>(statistics.mean);
  const T scale = static_cast<T>(statistics.scale);
  T normal[kPiece], gradient[kPiece], weight[kPiece];
  const auto load = [&](std::int64_t begin, std::int64_t count) {
    load_piece(x, a.x.dtype, begin, count, normal);
    load_piece(dy, a.dy.dtype, begin, count, gradient);
    load_parameter(a.norm.weight, T{1}, begin, count, weight);
    for (std::int64_t i = 0; i < count; ++i) normal[i] = (normal[i] - mean) * scale;
  };

  double mean_g = 0;
  double mean_gn = 0;
  if (a.dx.data != nullptr) {
    for_each_piece(width, [&](std::int64_t begin, std::int64_t count) {
      load(begin, count);
      for (std::int64_t i = 0; i < count; ++i) gradient[i] *= weight[i];
      mean_gn += sum(count, [&](std::int64_t i) { return static_cast<double>(gradient[i] * normal[i]); });
      if (a.norm.kind == LVX_NORM_LAYER) {
        mean_g += sum(count, [&](std::int64_t i) { return static_cast<double>(gradient[i]); });
      }
    });
    mean_g /= static_cast<double>(width);
    mean_gn /= static_cast<double>(width);
  }

  for_each_piece(width, [&](std::int64_t begin, std::int64_t count) {
    load(begin, count);
    if (dweight != nullptr) {
      for (std::int64_t i = 0; i < count; ++i) {
        dweight[begin + i] += static_cast<double>(gradient[i] * normal[i]);
      }
    }
    if (dbias != nullptr) {
      for (std::int64_t i = 0; i < count; ++i) dbias[begin + i] += static_cast<double>(gradient[i]);
    }
    if (a.dx.data == nullptr) return;
    T result[kPiece] = {};
    std::byte* const to = row_at(a.dx, index) + begin * size_of(a.dx.dtype);
    if (a.add_dx) load_row(to, a.dx.dtype, count, result);
    for (std::int64_t i = 0; i < count; ++i) {
      result[i] +=
          scale * (gradient[i] * weight[i] - static_cast<T>(mean_g) - normal[i] * static_cast<T>(mean_gn));
    }
    store_row(result, count, to, a.dx.dtype);
  });
}

// parameter += sum over all parts.
void add_parts(ThreadTeam& team, const double* parts, std::int64_t count, std::int64_t stride,
               const Parameter& parameter) {
  if (parameter.none()) return;
  for_each(team, parameter.width, count, [&](std::int64_t i) {
    double total = 0;
    for (std::int64_t part = 0; part < count; ++part) total += parts[part * stride + i];
    store_element(load_element<double>(parameter.data, parameter.dtype, i) + total, parameter.data,
                  parameter.dtype, i);
  });
}

struct Partials {
  double* dweight;  // [part, width]
  double* dbias;

  Partials(Scratch& scratch, std::int64_t width)
      : dweight(scratch.take<double>(kParts * width)), dbias(scratch.take<double>(kParts * width)) {}
};

template <typename T>
void backward_as(ThreadTeam& team, const NormBackwardProblem& a, const Parameter& dweight,
                 const Parameter& dbias, Scratch scratch) {
  const std::int64_t width = a.x.dim;
  const Partials partials(scratch, width);
  const Split rows(rows_of(a.x), kParts, 1);
  team.run(rows.parts(), [&](std::int64_t part, int) {
    double* const to_weight = dweight.none() ? nullptr : partials.dweight + part * width;
    double* const to_bias = dbias.none() ? nullptr : partials.dbias + part * width;
    if (to_weight != nullptr) std::fill_n(to_weight, width, 0.0);
    if (to_bias != nullptr) std::fill_n(to_bias, width, 0.0);
    for (std::int64_t i = rows.begin(part); i < rows.end(part); ++i)
      backward_row<T>(a, i, to_weight, to_bias);
  });
  add_parts(team, partials.dweight, rows.parts(), width, dweight);
  add_parts(team, partials.dbias, rows.parts(), width, dbias);
}

}  // namespace

std::size_t norm_scratch(std::int64_t width) {
  Scratch counter;
  const Partials partials(counter, width);
  return counter.used();
}

void norm_forward(ThreadTeam& team, const Norm& norm, const Bshd& x, const Bshd& y) {
  if (x.dtype == DType::kFloat64) {
    forward_as<double>(team, norm, x, y);
  } else {
    forward_as<float>(team, norm, x, y);
  }
}

void norm_backward(ThreadTeam& team, const Norm& norm, const Bshd& x, const Bshd& dy, const Bshd& dx,
                   bool add_dx, const Parameter& dweight, const Parameter& dbias,
                   std::span<std::byte> scratch) {
  require_scratch("backward of a norm", norm_scratch(x.dim), scratch.size());
  const NormBackwardProblem problem{norm, x, dy, dx, add_dx};
  if (x.dtype == DType::kFloat64) {
    backward_as<double>(team, problem, dweight, dbias, Scratch(scratch.data()));
  } else {
    backward_as<float>(team, problem, dweight, dbias, Scratch(scratch.data()));
  }
}

}  // namespace lvx::cpu
