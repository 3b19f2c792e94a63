// SPDX-License-Identifier: Apache-2.0
// Parameters of layer kernels.
#pragma once

#include <cstdint>

#include "device/layers.h"

namespace lvx::cuda {

// The last dimension of [batch, rows, heads, width].
struct NormParams {
  std::int64_t rows, heads, width;
  std::int64_t first, end;  // row range within all batch * rows * heads rows
  bool centred;             // layer norm
  double epsilon;
  Parameter weight, bias;
  Bshd x, y;
};

// For rows [first, end), in T: statistics[2 * (row - first)] = the row's mean, and the next element = its scale. The normalised
// row is (x - mean) * scale.
struct NormStatisticsParams {
  NormParams norm;
  std::byte* statistics;
};

struct NormBackwardParams {
  NormParams norm;
  const std::byte* statistics;
  Bshd dy, dx;
  bool add_dx;
};

constexpr int kRotaryPairs = 128;
struct RotaryParams {
  std::int64_t batch, rows, heads, dim;
  bool inverse;
  Bshd x, y;
  RowIntegers positions;
  double frequencies[kRotaryPairs];
};

struct SwigluParams {
  Rows gate, up, y;
};
struct SwigluBackwardParams {
  Rows gate, up, dy, dgate, dup;
};
struct GeluParams {
  Rows x, y;
};
struct GeluBackwardParams {
  Rows x, dy, dx;
};
struct GatedAddParams {
  Rows x, branch, y;
  Parameter gate;
  RowIntegers live;
};
struct GatedAddBackwardParams {
  Rows dy, dbranch;
  Parameter gate;
  RowIntegers live;
};
struct BlendParams {
  Rows a, b, y;
  Parameter gate;
  RowIntegers live;
};
struct BlendBackwardParams {
  Rows dy, da, db;
  Parameter gate;
  RowIntegers live;
};
struct ClearRowsParams {
  RowIntegers live;
  bool all;  // clear all rows, even live ones
  Rows x;
};

// The terms that are summed over rows, for each column.
struct RowsTerm {
  Rows x;
};
// dy * branch of live rows.
struct GatedAddTerm {
  Rows branch, dy;
  RowIntegers live;
};
// dy * (b - a) of live rows.
struct BlendTerm {
  Rows a, b, dy;
  RowIntegers live;
};
// dy for the bias, dy times the normalised x for the weight.
struct NormTerm {
  NormParams norm;
  const std::byte* statistics;
  Bshd dy;
  bool of_weight;
};

// sums[part, column] = the sum of one part of the rows, plus its previous value if add is set.
template <typename Term>
struct ColumnSumParams {
  Term term;
  std::int64_t rows, width, parts;
  double* sums;
  bool add;
};

// to[column] += the sum of all parts, times the derivative of the gate's sigmoid if there is a gate.
struct AddColumnSumsParams {
  const double* sums;
  std::int64_t width, parts;
  Parameter to, gate;
};

// to[0] += the sum over all parts and columns, times the derivative of the gate's tanh.
struct AddTotalParams {
  const double* sums;
  std::int64_t count;
  Parameter to, gate;
};

}  // namespace lvx::cuda
