// SPDX-License-Identifier: Apache-2.0
// Gated sums, blends and sums of rows on every device.
#pragma once

#include "device/device_contract.h"
#include "device/layers/layer_arrays.h"

namespace lvx::testing {

// Two tensors to join. Rows of the second tensor that are not live hold NaN.
struct JoinCase {
  std::vector<std::int64_t> shape;
  DType dtype;
  Array a, b, y, dy, da, db;
  std::vector<std::int32_t> live;
  bool all_live;

  JoinCase(std::vector<std::int64_t> extents, DType type, unsigned seed, bool every_row)
      : shape(std::move(extents)),
        dtype(type),
        a(random_array(shape, type, seed, {seed % 3, seed % 2 * 5})),
        b(random_array(shape, type, seed + 1, {seed % 3, seed % 2 * 5})),
        y(shape, type, {1, 3}),
        dy(random_array(shape, type, seed + 2)),
        da(shape, type),
        db(shape, type, {2, 1}),
        live(some_live(shape[0] * shape[1], seed)),
        all_live(every_row) {
    for (std::int64_t i = 0; i < b.count(); ++i) {
      if (!is_live(i)) b.set(i, std::nan(""));
    }
  }

  bool is_live(std::int64_t i) const { return all_live || live[static_cast<std::size_t>(i / shape[2])] != 0; }
  RowIntegers live_view() const { return all_live ? RowIntegers{} : integers_of(live, shape[1]); }

  template <typename Compute>
  Array each(const Compute& compute) const {
    Array result(shape, DType::kFloat64);
    for (std::int64_t i = 0; i < a.count(); ++i) result.set(i, compute(i));
    return result;
  }
};

template <typename Check>
void for_all_joins(Device& device, const Check& check) {
  unsigned seed = 0;
  for (const DType dtype : kFloatingTypes) {
    for (const bool every_row : {true, false}) {
      for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{1, 1, 7},
                                                     {2, 3, 17},
                                                     {2, 90, 300},
                                                     {1, 200, 64},
                                                     {0, 2, 8},
                                                     {2, 0, 8}}) {
        seed += 3;
        SCOPED_TRACE(std::string(name_of(dtype)) + " seed " + std::to_string(seed));
        JoinCase c(shape, dtype, seed, every_row);
        check(device.layers(), c);
      }
    }
  }
}

class Joins : public DeviceContract {};

TEST_P(Joins, GatedAddEqualsTheReferenceAlsoInPlace) {
  for_all_joins(*device, [](LayerOperations& layers, JoinCase& c) {
    for (const double gate_value : {0.7, 0.0}) {
      Array gate({1, 1, 1}, c.dtype), dgate({1, 1, 1}, accumulator_of(c.dtype));
      gate.set(0, gate_value);
      dgate.set(0, 3);
      const double factor = std::tanh(gate.get(0));
      const Array y = c.each([&](auto i) { return c.a.get(i) + (c.is_live(i) ? factor * c.b.get(i) : 0); });
      const Array d_branch = c.each([&](auto i) { return c.is_live(i) ? factor * c.dy.get(i) : 0; });
      Array expected_dgate({1, 1, 1}, DType::kFloat64);
      double sum = 0;
      for (std::int64_t i = 0; i < c.b.count(); ++i) sum += c.is_live(i) ? c.b.get(i) * c.dy.get(i) : 0;
      expected_dgate.set(0, 3 + (1 - factor * factor) * sum);

      layers.gated_add_forward(rows_of(c.a), rows_of(c.b), parameter_of(gate), c.live_view(), rows_of(c.y));
      EXPECT_LE(error_of(c.y, y), tolerance_of(c.dtype));
      EXPECT_TRUE(c.y.gaps_untouched());
      layers.gated_add_backward(rows_of(c.b), parameter_of(gate), c.live_view(), rows_of(c.dy), rows_of(c.db),
                                parameter_of(dgate));
      EXPECT_LE(error_of(c.db, d_branch), tolerance_of(c.dtype));
      EXPECT_LE(std::abs(dgate.get(0) - expected_dgate.get(0)),
                tolerance_of(dgate.dtype()) * (1 + std::sqrt(static_cast<double>(c.b.count()))));
    }
    // Without a gate, the branch is added unscaled. In place of either tensor.
    const Array y = c.each([&](auto i) { return c.a.get(i) + (c.is_live(i) ? c.b.get(i) : 0); });
    layers.gated_add_forward(rows_of(c.a), rows_of(c.b), {}, c.live_view(), rows_of(c.b));
    EXPECT_LE(error_of(c.b, y), tolerance_of(c.dtype));
    layers.gated_add_backward({}, {}, c.live_view(), rows_of(c.dy), rows_of(c.db), {});
    EXPECT_LE(error_of(c.db, c.each([&](auto i) { return c.is_live(i) ? c.dy.get(i) : 0; })),
              tolerance_of(c.dtype));
  });
}

TEST_P(Joins, BlendEqualsTheReferenceAlsoInPlace) {
  for_all_joins(*device, [](LayerOperations& layers, JoinCase& c) {
    const std::int64_t width = c.shape[2];
    Array gate = random_array({1, 1, width}, c.dtype, 5);
    Array dgate = random_array({1, 1, width}, accumulator_of(c.dtype), 6);
    const auto share = [&](std::int64_t i) { return c.is_live(i) ? sigmoid(gate.get(i % width)) : 0; };
    const auto mixed = [&](std::int64_t i) {
      return c.is_live(i) ? (1 - share(i)) * c.a.get(i) + share(i) * c.b.get(i) : c.a.get(i);
    };
    const Array y = c.each(mixed);
    const Array da = c.each([&](auto i) { return (1 - share(i)) * c.dy.get(i); });
    const Array db = c.each([&](auto i) { return share(i) * c.dy.get(i); });
    Array expected_dgate({1, 1, width}, DType::kFloat64);
    for (std::int64_t w = 0; w < width; ++w) expected_dgate.set(w, dgate.get(w));
    for (std::int64_t i = 0; i < c.a.count(); ++i) {
      if (!c.is_live(i)) continue;
      const double slope = share(i) * (1 - share(i)) * (c.b.get(i) - c.a.get(i));
      expected_dgate.set(i % width, expected_dgate.get(i % width) + slope * c.dy.get(i));
    }

    layers.blend_forward(rows_of(c.a), rows_of(c.b), parameter_of(gate), c.live_view(), rows_of(c.y));
    EXPECT_LE(error_of(c.y, y), tolerance_of(c.dtype));
    EXPECT_TRUE(c.y.gaps_untouched());
    layers.blend_backward(rows_of(c.a), rows_of(c.b), parameter_of(gate), c.live_view(), rows_of(c.dy),
                          rows_of(c.a), rows_of(c.b), parameter_of(dgate));
    EXPECT_LE(error_of(c.a, da), tolerance_of(c.dtype));
    EXPECT_LE(error_of(c.b, db), tolerance_of(c.dtype));
    EXPECT_LE(error_of(dgate, expected_dgate), 2 * tolerance_of(dgate.dtype()));
  });
}

TEST_P(Joins, GradientsAreThoseOfCentralDifferences) {
  LayerOperations& layers = device->layers();
  JoinCase c({2, 3, 5}, DType::kFloat64, 4, false);
  for (std::int64_t i = 0; i < c.b.count(); ++i) c.b.set(i, 0.1 * static_cast<double>(i) - 1);
  Array gate = random_array({1, 1, 1}, DType::kFloat64, 8), dgate = zeros({1, 1, 1}, DType::kFloat64);
  layers.gated_add_backward(rows_of(c.b), parameter_of(gate), c.live_view(), rows_of(c.dy), rows_of(c.db),
                            parameter_of(dgate));
  const auto gated_add = [&] {
    layers.gated_add_forward(rows_of(c.a), rows_of(c.b), parameter_of(gate), c.live_view(), rows_of(c.y));
    return dot(c.y, c.dy);
  };
  expect_gradient(c.a, c.dy, gated_add, "dx");
  expect_gradient(c.b, c.db, gated_add, "dbranch");
  expect_gradient(gate, dgate, gated_add, "dgate");

  Array gates = random_array({1, 1, 5}, DType::kFloat64, 8), dgates = zeros({1, 1, 5}, DType::kFloat64);
  layers.blend_backward(rows_of(c.a), rows_of(c.b), parameter_of(gates), c.live_view(), rows_of(c.dy),
                        rows_of(c.da), rows_of(c.db), parameter_of(dgates));
  const auto blend = [&] {
    layers.blend_forward(rows_of(c.a), rows_of(c.b), parameter_of(gates), c.live_view(), rows_of(c.y));
    return dot(c.y, c.dy);
  };
  expect_gradient(c.a, c.da, blend, "da");
  expect_gradient(c.b, c.db, blend, "db");
  expect_gradient(gates, dgates, blend, "dgate");
}

TEST_P(Joins, RowsAreAddedInTheTargetsDType) {
  for (const DType dtype : kFloatingTypes) {
    for (const DType to : {dtype, accumulator_of(dtype)}) {
      for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{2, 5, 300}, {1, 1, 100001}}) {
        Array x = random_array(shape, dtype, 1, {1, 4}), y = random_array(shape, to, 2, {0, 3});
        Array expected(shape, DType::kFloat64);
        for (std::int64_t i = 0; i < x.count(); ++i) expected.set(i, x.get(i) + y.get(i));
        device->layers().add(rows_of(x), rows_of(y));
        EXPECT_LE(error_of(y, expected), tolerance_of(to)) << name_of(dtype) << " to " << name_of(to);
        EXPECT_TRUE(y.gaps_untouched());
      }
    }
  }
}

TEST_P(Joins, RowsThatAreNotLiveAreCleared) {
  for (const DType dtype : kFloatingTypes) {
    Array x = random_array({2, 50, 70}, dtype, 1, {1, 4});
    const Array before = x;
    const auto live = some_live(100, 3);
    device->layers().clear_rows(integers_of(live, 50), rows_of(x));
    for (std::int64_t i = 0; i < x.count(); ++i) {
      EXPECT_EQ(x.get(i), live[static_cast<std::size_t>(i / 70)] != 0 ? before.get(i) : 0);
    }
    EXPECT_TRUE(x.gaps_untouched());
  }
}

}  // namespace lvx::testing
