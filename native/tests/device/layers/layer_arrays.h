// SPDX-License-Identifier: Apache-2.0
// Arrays viewed as layers' tensors, and gradients by central differences.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "device/attention_case.h"
#include "device/layers.h"
#include "support/seed.h"

namespace lvx::testing {

constexpr DType kFloatingTypes[] = {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16};

// The maximum error of a result of that dtype that is computed in its accumulator's dtype.
inline double tolerance_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
      return 1e-13;
    case DType::kFloat32:
      return 2e-6;
    case DType::kFloat16:
      return 6e-4;
    default:
      return 4.5e-3;
  }
}

// [batch, rows, width]
inline Rows rows_of(Array& x) {
  const Bshd view = x.bshd();
  return {view.data, view.dtype, x.extent(0), x.extent(1), x.extent(2), view.batch_stride, view.row_stride};
}

// [1, rows, width]
inline Parameter parameter_of(Array& x) {
  const Bshd view = x.bshd();
  return {view.data, view.dtype, x.extent(1), x.extent(2), view.row_stride};
}

inline Array random_array(std::vector<std::int64_t> shape, DType dtype, unsigned seed, Padding padding = {}) {
  Array x(std::move(shape), dtype, padding);
  std::mt19937 random(test::seeded(seed));
  Case::randomize(x, random);
  return x;
}

inline Array zeros(std::vector<std::int64_t> shape, DType dtype, Padding padding = {}) {
  Array x(std::move(shape), dtype, padding);
  x.fill(0);
  return x;
}

// All elements in row-major order, so that references need not access them one by one.
inline std::vector<double> values_of(const Array& x) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < x.count(); ++i) values.push_back(x.get(i));
  return values;
}

// sum(x * y)
inline double dot(const Array& x, const Array& y) {
  double sum = 0;
  for (std::int64_t i = 0; i < x.count(); ++i) sum += x.get(i) * y.get(i);
  return sum;
}

// Compares gradient with the central differences of loss with respect to each element of x.
inline void expect_gradient(Array& x, const Array& gradient, const std::function<double()>& loss,
                            const std::string& what) {
  constexpr double kStep = 1e-5;
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const double before = x.get(i);
    x.set(i, before + kStep);
    const double above = loss();
    x.set(i, before - kStep);
    const double below = loss();
    x.set(i, before);
    const double expected = (above - below) / (2 * kStep);
    EXPECT_NEAR(gradient.get(i), expected, 1e-7 * (1 + std::abs(expected))) << what << " " << i;
  }
}

// Integers [batch, rows], some of them 0.
inline std::vector<std::int32_t> some_live(std::int64_t count, unsigned seed) {
  std::mt19937 random(test::seeded(seed));
  std::vector<std::int32_t> live;
  for (std::int64_t i = 0; i < count; ++i) live.push_back(random() % 3 == 0 ? 0 : 1);
  return live;
}

inline RowIntegers integers_of(const std::vector<std::int32_t>& values, std::int64_t rows) {
  return {values.data(), rows, 1};
}

}  // namespace lvx::testing
