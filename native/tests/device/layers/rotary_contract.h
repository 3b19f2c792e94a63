// SPDX-License-Identifier: Apache-2.0
// Rotary embedding on every device.
#pragma once

#include "device/device_contract.h"
#include "device/layers/layer_arrays.h"

namespace lvx::testing {

constexpr double kRotaryTheta = 1e6;

inline Array turned(const Array& x, const std::vector<std::int32_t>& positions, double sign) {
  const std::int64_t heads = x.extent(2), dim = x.extent(3);
  Array y({x.extent(0), x.extent(1), heads, dim}, DType::kFloat64);
  for (std::int64_t i = 0; i < x.count(); i += dim) {
    const double position = positions[static_cast<std::size_t>(i / dim / heads)];
    for (std::int64_t p = 0; p < dim / 2; ++p) {
      const double angle =
          sign * position * std::pow(kRotaryTheta, -2.0 * static_cast<double>(p) / static_cast<double>(dim));
      const double a = x.get(i + p), b = x.get(i + p + dim / 2);
      y.set(i + p, a * std::cos(angle) - b * std::sin(angle));
      y.set(i + p + dim / 2, b * std::cos(angle) + a * std::sin(angle));
    }
  }
  return y;
}

inline std::vector<std::int32_t> some_positions(std::int64_t count) {
  std::vector<std::int32_t> positions;
  for (std::int64_t i = 0; i < count; ++i) {
    positions.push_back(static_cast<std::int32_t>(i % 5 == 0 ? 7 : i * i * 13 % 100000));
  }
  return positions;
}

class RotaryEmbedding : public DeviceContract {};

TEST_P(RotaryEmbedding, TurnsPairsByPositionBothWays) {
  unsigned seed = 0;
  for (const DType dtype : kFloatingTypes) {
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{1, 1, 1, 2},
                                                   {2, 5, 3, 8},
                                                   {1, 300, 2, 128},
                                                   {1, 4, 1, 256},
                                                   {2, 0, 1, 8}}) {
      ++seed;
      SCOPED_TRACE(std::string(name_of(dtype)) + " case " + std::to_string(seed));
      Array x = random_array(shape, dtype, seed, {seed % 3, seed % 2 * 6});
      Array y(shape, dtype, {1, 4});
      const auto positions = some_positions(shape[0] * shape[1]);
      const RowIntegers view = integers_of(positions, shape[1]);
      device->layers().rotary(kRotaryTheta, false, x.bshd(), view, y.bshd());
      EXPECT_LE(error_of(y, turned(x, positions, 1)), tolerance_of(dtype));
      EXPECT_TRUE(y.gaps_untouched());
      const Array back = turned(x, positions, -1);
      device->layers().rotary(kRotaryTheta, true, x.bshd(), view, x.bshd());
      EXPECT_LE(error_of(x, back), tolerance_of(dtype));
    }
  }
}

// The embedding is linear and preserves lengths, so its gradient is its inverse.
TEST_P(RotaryEmbedding, TheInverseIsTheGradient) {
  Array x = random_array({1, 3, 2, 8}, DType::kFloat64, 3),
        dy = random_array({1, 3, 2, 8}, DType::kFloat64, 4);
  Array y({1, 3, 2, 8}, DType::kFloat64), dx({1, 3, 2, 8}, DType::kFloat64);
  const auto positions = some_positions(3);
  const RowIntegers view = integers_of(positions, 3);
  device->layers().rotary(kRotaryTheta, true, dy.bshd(), view, dx.bshd());
  expect_gradient(
      x, dx,
      [&] {
        device->layers().rotary(kRotaryTheta, false, x.bshd(), view, y.bshd());
        return dot(y, dy);
      },
      "dx");
}

}  // namespace lvx::testing
