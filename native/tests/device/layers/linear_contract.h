// SPDX-License-Identifier: Apache-2.0
// Linear maps on every device.
#pragma once

#include "device/device_contract.h"
#include "device/layers/layer_arrays.h"
#include "support/seed.h"

namespace lvx::testing {

struct LinearSizes {
  std::int64_t batch, rows, in, out;

  std::int64_t count() const { return batch * rows; }
};

// Single elements, single rows, few rows, odd sizes, several tiles in every dimension, and size 0.
constexpr LinearSizes kLinearSizes[] = {
    {1, 1, 1, 1},      {1, 1, 40, 33},   {1, 1, 700, 300}, {5, 1, 24, 17}, {1, 3, 520, 300}, {2, 3, 17, 5},
    {1, 130, 600, 70}, {3, 70, 64, 129}, {1, 33, 8, 600},  {2, 0, 8, 8},   {0, 4, 8, 8},     {1, 4, 0, 8},
    {1, 4, 8, 0},      {1, 3, 2100, 5},  {1, 2, 5, 2100},  {1, 2100, 8, 3}};

struct LinearCase {
  LinearSizes n;
  Array x, w, b, y, dy, dx, dw, db;

  LinearCase(const LinearSizes& sizes, DType dtype, DType parameters, unsigned seed, Padding padding)
      : n(sizes),
        x(random_array({n.batch, n.rows, n.in}, dtype, seed, padding)),
        w(random_array({1, n.out, n.in}, parameters, seed + 1, padding)),
        b(random_array({1, 1, n.out}, parameters, seed + 2)),
        y({n.batch, n.rows, n.out}, dtype, padding),
        dy(random_array({n.batch, n.rows, n.out}, dtype, seed + 3, padding)),
        dx({n.batch, n.rows, n.in}, dtype, padding),
        dw(random_array({1, n.out, n.in}, accumulator_of(dtype), seed + 4, padding)),
        db(random_array({1, 1, n.out}, accumulator_of(dtype), seed + 5)) {}

  Array reference_y() const {
    Array result({n.batch, n.rows, n.out}, DType::kFloat64);
    const std::vector<double> xs = values_of(x), ws = values_of(w);
    for (std::int64_t i = 0; i < n.count(); ++i) {
      for (std::int64_t o = 0; o < n.out; ++o) {
        result.set(i * n.out + o, b.get(o) + sum(n.in, xs.data() + i * n.in, 1, ws.data() + o * n.in, 1));
      }
    }
    return result;
  }
  Array reference_dx() const {
    Array result({n.batch, n.rows, n.in}, DType::kFloat64);
    const std::vector<double> dys = values_of(dy), ws = values_of(w);
    for (std::int64_t i = 0; i < n.count(); ++i) {
      for (std::int64_t k = 0; k < n.in; ++k) {
        result.set(i * n.in + k, sum(n.out, dys.data() + i * n.out, 1, ws.data() + k, n.in));
      }
    }
    return result;
  }
  // Accumulated into dw and db.
  Array reference_dw() const {
    Array result({1, n.out, n.in}, DType::kFloat64);
    const std::vector<double> dys = values_of(dy), xs = values_of(x);
    for (std::int64_t o = 0; o < n.out; ++o) {
      for (std::int64_t k = 0; k < n.in; ++k) {
        const std::int64_t i = o * n.in + k;
        result.set(i, dw.get(i) + sum(n.count(), dys.data() + o, n.out, xs.data() + k, n.in));
      }
    }
    return result;
  }
  Array reference_db() const {
    Array result({1, 1, n.out}, DType::kFloat64);
    const std::vector<double> dys = values_of(dy);
    const double one = 1;
    for (std::int64_t o = 0; o < n.out; ++o) {
      result.set(o, db.get(o) + sum(n.count(), dys.data() + o, n.out, &one, 0));
    }
    return result;
  }

 private:
  static double sum(std::int64_t count, const double* a, std::int64_t step_a, const double* b,
                    std::int64_t step_b) {
    double total = 0;
    for (std::int64_t i = 0; i < count; ++i) total += a[i * step_a] * b[i * step_b];
    return total;
  }
};

inline void forward(Device& device, LinearCase& c, const Rows& x) {
  LayerOperations& layers = device.layers();
  const DeviceMemory scratch(device, layers.linear_scratch(c.n.count(), c.n.in, c.n.out, c.x.dtype()));
  layers.linear_forward(x, parameter_of(c.w), parameter_of(c.b), rows_of(c.y),
                        {scratch.data(), scratch.bytes()});
}

inline void backward(Device& device, LinearCase& c, const Rows& x, bool add_dx) {
  LayerOperations& layers = device.layers();
  const DeviceMemory scratch(device, layers.linear_scratch(c.n.count(), c.n.in, c.n.out, c.x.dtype()));
  layers.linear_backward(x, parameter_of(c.w), rows_of(c.dy), rows_of(c.dx), add_dx, parameter_of(c.dw),
                         parameter_of(c.db), {scratch.data(), scratch.bytes()});
}

inline void expect_right(Device& device, LinearCase& c) {
  const DType dtype = c.x.dtype();
  SCOPED_TRACE(std::string(name_of(dtype)) + ", parameters " + name_of(c.w.dtype()) + ", " +
               std::to_string(c.n.batch) + "x" + std::to_string(c.n.rows) + "x" + std::to_string(c.n.in) +
               "->" + std::to_string(c.n.out));
  const Array y = c.reference_y(), dx = c.reference_dx(), dw = c.reference_dw(), db = c.reference_db();
  forward(device, c, rows_of(c.x));
  EXPECT_LE(error_of(c.y, y), tolerance_of(dtype));
  backward(device, c, rows_of(c.x), false);
  EXPECT_LE(error_of(c.dx, dx), tolerance_of(dtype));
  EXPECT_LE(error_of(c.dw, dw), tolerance_of(c.dw.dtype()));
  EXPECT_LE(error_of(c.db, db), tolerance_of(c.db.dtype()));
  for (const Array* out : {&c.y, &c.dx, &c.dw, &c.db}) EXPECT_TRUE(out->gaps_untouched());
}

class Linear : public DeviceContract {};

TEST_P(Linear, EqualsTheReferenceForAllSizesAndTypes) {
  unsigned seed = 0;
  for (const DType dtype : kFloatingTypes) {
    for (const DType parameters : {dtype, accumulator_of(dtype)}) {
      for (const LinearSizes& sizes : kLinearSizes) {
        ++seed;
        LinearCase c(sizes, dtype, parameters, 10 * seed, {seed % 3, seed % 2 * 5});
        expect_right(*device, c);
      }
    }
  }
}

// Gradients of keys and values are float32 sums even if features and weights have half precision.
TEST_P(Linear, TakesGradientsInTheAccumulatorsDType) {
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
    for (const bool add : {false, true}) {
      LinearCase c({2, 9, 24, 40}, dtype, dtype, 61, {1, 3});
      c.dy = random_array({2, 9, 40}, DType::kFloat32, 62, {2, 0});
      c.dx = random_array({2, 9, 24}, DType::kFloat32, 63, {0, 4});
      Array dx = c.reference_dx();
      for (std::int64_t i = 0; add && i < dx.count(); ++i) dx.set(i, dx.get(i) + c.dx.get(i));
      const Array dw = c.reference_dw(), db = c.reference_db();
      backward(*device, c, rows_of(c.x), add);
      EXPECT_LE(error_of(c.dx, dx), tolerance_of(DType::kFloat32)) << name_of(dtype);
      EXPECT_LE(error_of(c.dw, dw), tolerance_of(DType::kFloat32)) << name_of(dtype);
      EXPECT_LE(error_of(c.db, db), tolerance_of(DType::kFloat32)) << name_of(dtype);
      for (const Array* out : {&c.dx, &c.dw, &c.db}) EXPECT_TRUE(out->gaps_untouched());
    }
  }
}

TEST_P(Linear, WithoutBiasAndWithoutGradientsThatAreNotWanted) {
  LinearCase c({2, 5, 16, 24}, DType::kFloat64, DType::kFloat64, 3, {});
  const DeviceMemory memory(*device, device->layers().linear_scratch(10, 16, 24, DType::kFloat64));
  const std::span<std::byte> scratch(memory.data(), memory.bytes());
  device->layers().linear_forward(rows_of(c.x), parameter_of(c.w), {}, rows_of(c.y), scratch);
  c.b.fill(0);
  EXPECT_LE(error_of(c.y, c.reference_y()), 1e-13);
  const Array dw = c.reference_dw();
  device->layers().linear_backward(rows_of(c.x), parameter_of(c.w), rows_of(c.dy), {}, false,
                                   parameter_of(c.dw), {}, scratch);
  EXPECT_LE(error_of(c.dw, dw), 1e-13);
  const Array dx = c.reference_dx();
  device->layers().linear_backward({}, parameter_of(c.w), rows_of(c.dy), rows_of(c.dx), false, {}, {},
                                   scratch);
  EXPECT_LE(error_of(c.dx, dx), 1e-13);
}

TEST_P(Linear, AddsToTheGradientOfItsInputWhereAsked) {
  for (const DType dtype : kFloatingTypes) {
    LinearCase c({2, 7, 24, 40}, dtype, dtype, 8, {1, 3});
    Array expected = c.reference_dx();
    std::mt19937 random(test::seeded(9));
    Case::randomize(c.dx, random);
    for (std::int64_t i = 0; i < expected.count(); ++i) expected.set(i, expected.get(i) + c.dx.get(i));
    backward(*device, c, rows_of(c.x), true);
    EXPECT_LE(error_of(c.dx, expected), tolerance_of(dtype)) << name_of(dtype);
  }
}

// A broadcast row, and overlapping rows: strides that no BLAS supports.
TEST_P(Linear, ReadsRowsThatShareMemory) {
  for (const std::int64_t stride : {0, 1, 5}) {
    LinearCase c({2, 6, 12, 20}, DType::kFloat32, DType::kFloat32, 4, {});
    const Array memory = c.x;
    Rows x = rows_of(c.x);
    x.row_stride = stride;
    for (std::int64_t i = 0; i < c.x.count(); ++i) {
      const std::int64_t item = i / 72, row = i / 12 % 6;
      c.x.set(i, memory.get(item * 72 + row * stride + i % 12));
    }
    const Array y = c.reference_y(), dw = c.reference_dw();
    for (std::int64_t i = 0; i < c.x.count(); ++i) c.x.set(i, memory.get(i));
    forward(*device, c, x);
    EXPECT_LE(error_of(c.y, y), 2e-6) << stride;
    backward(*device, c, x, false);
    EXPECT_LE(error_of(c.dw, dw), 2e-6) << stride;
  }
}

// y is overwritten even where it holds NaN. Memory between its rows does not change.
TEST_P(Linear, OverwritesGarbage) {
  for (const std::int64_t rows : {1, 2, 50}) {
    for (const std::int64_t in : {0, 30}) {
      LinearCase c({1, rows, in, 37}, DType::kFloat32, DType::kFloat32, 4, {2, 3});
      forward(*device, c, rows_of(c.x));
      EXPECT_LE(error_of(c.y, c.reference_y()), 2e-6);
      EXPECT_TRUE(c.y.gaps_untouched());
    }
  }
}

TEST_P(Linear, GradientsAreThoseOfCentralDifferences) {
  LinearCase c({2, 3, 5, 4}, DType::kFloat64, DType::kFloat64, 21, {0, 1});
  c.dw.fill(0);
  c.db.fill(0);
  backward(*device, c, rows_of(c.x), false);
  const auto loss = [&] {
    forward(*device, c, rows_of(c.x));
    return dot(c.y, c.dy);
  };
  expect_gradient(c.x, c.dx, loss, "dx");
  expect_gradient(c.w, c.dw, loss, "dw");
  expect_gradient(c.b, c.db, loss, "db");
}

TEST_P(Linear, GivesTheSameBitsEveryTime) {
  LinearCase first({2, 150, 260, 300}, DType::kFloat32, DType::kFloat32, 5, {});
  LinearCase second({2, 150, 260, 300}, DType::kFloat32, DType::kFloat32, 5, {});
  for (LinearCase* c : {&first, &second}) {
    forward(*device, *c, rows_of(c->x));
    backward(*device, *c, rows_of(c->x), false);
  }
  EXPECT_EQ(first.y.memory(), second.y.memory());
  EXPECT_EQ(first.dx.memory(), second.dx.memory());
  EXPECT_EQ(first.dw.memory(), second.dw.memory());
  EXPECT_EQ(first.db.memory(), second.db.memory());
}

}  // namespace lvx::testing
