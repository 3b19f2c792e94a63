// SPDX-License-Identifier: Apache-2.0
// SwiGLU and GELU on every device.
#pragma once

#include "device/device_contract.h"
#include "device/layers/layer_arrays.h"

namespace lvx::testing {

inline const std::vector<std::vector<std::int64_t>> kActivationShapes = {
    {1, 1, 1}, {2, 3, 17}, {1, 40, 300}, {1, 1, 70000}, {0, 3, 8}, {2, 0, 8}};

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double phi_below(double x) { return std::erfc(-x / std::sqrt(2)) / 2; }

// compute(i) for every element.
template <typename Compute>
Array each(const Array& like, const Compute& compute) {
  Array result({like.extent(0), like.extent(1), like.extent(2)}, DType::kFloat64);
  for (std::int64_t i = 0; i < like.count(); ++i) result.set(i, compute(i));
  return result;
}

class Activations : public DeviceContract {};

TEST_P(Activations, SwigluEqualsTheReferenceAlsoInPlace) {
  unsigned seed = 0;
  for (const DType dtype : kFloatingTypes) {
    for (const auto& shape : kActivationShapes) {
      ++seed;
      SCOPED_TRACE(std::string(name_of(dtype)) + " case " + std::to_string(seed));
      const Padding padding{seed % 3, seed % 2 * 5};
      Array gate = random_array(shape, dtype, seed, padding),
            up = random_array(shape, dtype, seed + 50, padding);
      Array dy = random_array(shape, dtype, seed + 90, padding), y(shape, dtype, padding);
      const Array expected = each(y, [&](auto i) { return gate.get(i) * sigmoid(gate.get(i)) * up.get(i); });
      const Array d_gate = each(y, [&](auto i) {
        const double g = gate.get(i), s = sigmoid(g);
        return dy.get(i) * up.get(i) * s * (1 + g * (1 - s));
      });
      const Array d_up = each(y, [&](auto i) { return dy.get(i) * gate.get(i) * sigmoid(gate.get(i)); });
      device->layers().swiglu_forward(rows_of(gate), rows_of(up), rows_of(y));
      EXPECT_LE(error_of(y, expected), tolerance_of(dtype));
      EXPECT_TRUE(y.gaps_untouched());
      device->layers().swiglu_backward(rows_of(gate), rows_of(up), rows_of(dy), rows_of(gate), rows_of(up));
      EXPECT_LE(error_of(gate, d_gate), tolerance_of(dtype));
      EXPECT_LE(error_of(up, d_up), tolerance_of(dtype));
    }
  }
}

TEST_P(Activations, GeluEqualsTheReferenceAlsoInPlace) {
  unsigned seed = 0;
  for (const DType dtype : kFloatingTypes) {
    for (const auto& shape : kActivationShapes) {
      ++seed;
      SCOPED_TRACE(std::string(name_of(dtype)) + " case " + std::to_string(seed));
      const Padding padding{seed % 3, seed % 2 * 5};
      Array x = random_array(shape, dtype, seed, padding),
            dy = random_array(shape, dtype, seed + 50, padding);
      Array y(shape, dtype, padding);
      const Array expected = each(x, [&](auto i) { return x.get(i) * phi_below(x.get(i)); });
      const Array dx = each(x, [&](auto i) {
        const double v = x.get(i);
        return dy.get(i) * (phi_below(v) + v * std::exp(-v * v / 2) / std::sqrt(2 * std::acos(-1)));
      });
      device->layers().gelu_forward(rows_of(x), rows_of(y));
      EXPECT_LE(error_of(y, expected), tolerance_of(dtype));
      EXPECT_TRUE(y.gaps_untouched());
      device->layers().gelu_backward(rows_of(x), rows_of(dy), rows_of(dy));
      EXPECT_LE(error_of(dy, dx), tolerance_of(dtype));
      device->layers().gelu_forward(rows_of(x), rows_of(x));
      EXPECT_LE(error_of(x, expected), tolerance_of(dtype));
    }
  }
}

TEST_P(Activations, StayFiniteFarOut) {
  for (const DType dtype : {DType::kFloat64, DType::kFloat32}) {
    Array x({1, 1, 4}, dtype), y({1, 1, 4}, dtype);
    const double far_out[] = {-1e4, -90, 90, 1e4};
    for (std::int64_t i = 0; i < 4; ++i) x.set(i, far_out[i]);
    Array one({1, 1, 4}, dtype);
    one.fill(1);
    device->layers().swiglu_forward(rows_of(x), rows_of(one), rows_of(y));
    for (std::int64_t i = 0; i < 4; ++i) EXPECT_NEAR(y.get(i), std::max(0.0, far_out[i]), 1e-3);
    device->layers().gelu_forward(rows_of(x), rows_of(y));
    for (std::int64_t i = 0; i < 4; ++i) EXPECT_NEAR(y.get(i), std::max(0.0, far_out[i]), 1e-3);
    device->layers().gelu_backward(rows_of(x), rows_of(one), rows_of(y));
    for (std::int64_t i = 0; i < 4; ++i) EXPECT_NEAR(y.get(i), far_out[i] > 0 ? 1 : 0, 1e-6);
  }
}

TEST_P(Activations, GradientsAreThoseOfCentralDifferences) {
  LayerOperations& layers = device->layers();
  Array a = random_array({2, 2, 5}, DType::kFloat64, 1), b = random_array({2, 2, 5}, DType::kFloat64, 2);
  Array dy = random_array({2, 2, 5}, DType::kFloat64, 3), y({2, 2, 5}, DType::kFloat64);
  Array da({2, 2, 5}, DType::kFloat64), db({2, 2, 5}, DType::kFloat64);
  layers.swiglu_backward(rows_of(a), rows_of(b), rows_of(dy), rows_of(da), rows_of(db));
  const auto swiglu = [&] {
    layers.swiglu_forward(rows_of(a), rows_of(b), rows_of(y));
    return dot(y, dy);
  };
  expect_gradient(a, da, swiglu, "dgate");
  expect_gradient(b, db, swiglu, "dup");
  layers.gelu_backward(rows_of(a), rows_of(dy), rows_of(da));
  const auto gelu = [&] {
    layers.gelu_forward(rows_of(a), rows_of(y));
    return dot(y, dy);
  };
  expect_gradient(a, da, gelu, "dx");
}

}  // namespace lvx::testing
