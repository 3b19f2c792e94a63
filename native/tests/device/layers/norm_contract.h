// SPDX-License-Identifier: Apache-2.0
// Norms on every device.
#pragma once

#include "device/device_contract.h"
#include "device/layers/layer_arrays.h"

namespace lvx::testing {

struct NormCase {
  Norm norm;
  std::int64_t batch, rows, heads, width;
  Array x, weight, bias, y, dy, dx, dweight, dbias;

  NormCase(lvx_norm kind, std::vector<std::int64_t> shape, DType dtype, unsigned seed, Padding padding = {})
      : batch(shape[0]),
        rows(shape[1]),
        heads(shape[2]),
        width(shape[3]),
        x(random_array(shape, dtype, seed, padding)),
        weight(random_array({1, 1, width}, dtype, seed + 1)),
        bias(random_array({1, 1, width}, accumulator_of(dtype), seed + 2)),
        y(shape, dtype, padding),
        dy(random_array(shape, dtype, seed + 3, padding)),
        dx(shape, dtype, padding),
        dweight(random_array({1, 1, width}, accumulator_of(dtype), seed + 4)),
        dbias(random_array({1, 1, width}, accumulator_of(dtype), seed + 5)) {
    norm.kind = kind;
    norm.epsilon = 1e-5;
    norm.weight = parameter_of(weight);
    if (kind == LVX_NORM_LAYER) norm.bias = parameter_of(bias);
  }

  bool centred() const { return norm.kind == LVX_NORM_LAYER; }
  std::int64_t count() const { return batch * rows * heads; }

  void forward(Device& device) { device.layers().norm_forward(norm, x.bshd(), y.bshd()); }
  void backward(Device& device, const Bshd& to, bool add_dx) {
    const DeviceMemory scratch(device, device.layers().norm_scratch(width));
    device.layers().norm_backward(norm, x.bshd(), dy.bshd(), to, add_dx, parameter_of(dweight),
                                  centred() ? parameter_of(dbias) : Parameter{},
                                  {scratch.data(), scratch.bytes()});
  }
};

struct NormReference {
  Array y, dx, dweight, dbias;

  explicit NormReference(const NormCase& c)
      : y({c.batch, c.rows, c.heads, c.width}, DType::kFloat64),
        dx({c.batch, c.rows, c.heads, c.width}, DType::kFloat64),
        dweight(zeros({1, 1, c.width}, DType::kFloat64)),
        dbias(zeros({1, 1, c.width}, DType::kFloat64)) {
    for (std::int64_t w = 0; w < c.width; ++w) {
      dweight.set(w, c.dweight.get(w));
      dbias.set(w, c.dbias.get(w));
    }
    for (std::int64_t i = 0; i < c.count(); ++i) row(c, i * c.width);
  }

  void row(const NormCase& c, std::int64_t at) {
    const auto n = static_cast<double>(c.width);
    double mean = 0, variance = 0;
    if (c.centred()) {
      for (std::int64_t w = 0; w < c.width; ++w) mean += c.x.get(at + w) / n;
    }
    for (std::int64_t w = 0; w < c.width; ++w) variance += std::pow(c.x.get(at + w) - mean, 2) / n;
    const double scale = 1 / std::sqrt(variance + c.norm.epsilon);
    double mean_g = 0, mean_gn = 0;
    for (std::int64_t w = 0; w < c.width; ++w) {
      const double normal = (c.x.get(at + w) - mean) * scale;
      const double g = c.dy.get(at + w) * c.weight.get(w);
      y.set(at + w, normal * c.weight.get(w) + (c.centred() ? c.bias.get(w) : 0));
      if (c.centred()) mean_g += g / n;
      mean_gn += g * normal / n;
      dweight.set(w, dweight.get(w) + c.dy.get(at + w) * normal);
      if (c.centred()) dbias.set(w, dbias.get(w) + c.dy.get(at + w));
    }
    for (std::int64_t w = 0; w < c.width; ++w) {
      const double normal = (c.x.get(at + w) - mean) * scale;
      dx.set(at + w, scale * (c.dy.get(at + w) * c.weight.get(w) - mean_g - normal * mean_gn));
    }
  }
};

class Norms : public DeviceContract {};
constexpr lvx_norm kNorms[] = {LVX_NORM_RMS, LVX_NORM_LAYER};

TEST_P(Norms, EqualTheReference) {
  for (const lvx_norm kind : kNorms) {
    SCOPED_TRACE(kind == LVX_NORM_RMS ? "RMS norm" : "layer norm");
    const std::vector<std::vector<std::int64_t>> shapes = {
        {1, 1, 1, 1},   {2, 3, 1, 17},  {1, 5, 4, 8},  {2, 7, 3, 128}, {1, 40, 1, 300},
        {1, 2, 1, 257}, {1, 3, 1, 700}, {0, 3, 1, 16}, {2, 0, 1, 16},  {3, 200, 2, 24}};
    unsigned seed = 0;
    for (const DType dtype : kFloatingTypes) {
      for (const auto& shape : shapes) {
        ++seed;
        NormCase c(kind, shape, dtype, 10 * seed, {seed % 3, seed % 2 * 5});
        SCOPED_TRACE(std::string(name_of(dtype)) + " case " + std::to_string(seed));
        const NormReference expected(c);
        c.forward(*device);
        EXPECT_LE(error_of(c.y, expected.y), tolerance_of(dtype));
        c.backward(*device, c.dx.bshd(), false);
        // A row of one element, or of two nearly equal ones, cancels completely.
        if (c.width > 1) {
          EXPECT_LE(error_of(c.dx, expected.dx), 2 * tolerance_of(dtype));
        }
        EXPECT_LE(error_of(c.dweight, expected.dweight), 2 * tolerance_of(c.dweight.dtype()));
        if (c.centred()) {
          EXPECT_LE(error_of(c.dbias, expected.dbias), tolerance_of(c.dbias.dtype()));
        }
        for (const Array* out : {&c.y, &c.dx}) EXPECT_TRUE(out->gaps_untouched());
      }
    }
  }
}

TEST_P(Norms, MayWriteOverWhatTheyReadAndAddToTheGradient) {
  for (const lvx_norm kind : kNorms) {
    SCOPED_TRACE(kind == LVX_NORM_RMS ? "RMS norm" : "layer norm");
    NormCase c(kind, {2, 9, 2, 300}, DType::kFloat32, 7);
    const NormReference expected(c);
    Array sum = random_array({2, 9, 2, 300}, DType::kFloat32, 77);
    Array expected_sum({2, 9, 2, 300}, DType::kFloat64);
    for (std::int64_t i = 0; i < sum.count(); ++i) expected_sum.set(i, sum.get(i) + expected.dx.get(i));
    c.backward(*device, sum.bshd(), true);
    EXPECT_LE(error_of(sum, expected_sum), 2e-6);
    c.backward(*device, c.dy.bshd(), false);
    EXPECT_LE(error_of(c.dy, expected.dx), 2e-6);
    device->layers().norm_forward(c.norm, c.x.bshd(), c.x.bshd());
    EXPECT_LE(error_of(c.x, expected.y), 2e-6);
  }
}

TEST_P(Norms, GradientsAreThoseOfCentralDifferences) {
  for (const lvx_norm kind : kNorms) {
    SCOPED_TRACE(kind == LVX_NORM_RMS ? "RMS norm" : "layer norm");
    NormCase c(kind, {2, 2, 2, 9}, DType::kFloat64, 31, {1, 2});
    c.dweight.fill(0);
    c.dbias.fill(0);
    c.backward(*device, c.dx.bshd(), false);
    const auto loss = [&] {
      c.forward(*device);
      return dot(c.y, c.dy);
    };
    expect_gradient(c.x, c.dx, loss, "dx");
    expect_gradient(c.weight, c.dweight, loss, "dweight");
    if (c.centred()) expect_gradient(c.bias, c.dbias, loss, "dbias");
  }
}

TEST_P(Norms, LeaveOutGradientsThatAreNotWanted) {
  for (const lvx_norm kind : kNorms) {
    SCOPED_TRACE(kind == LVX_NORM_RMS ? "RMS norm" : "layer norm");
    NormCase c(kind, {1, 4, 1, 16}, DType::kFloat64, 5);
    const NormReference expected(c);
    const DeviceMemory scratch(*device, device->layers().norm_scratch(16));
    device->layers().norm_backward(c.norm, c.x.bshd(), c.dy.bshd(), {}, false, parameter_of(c.dweight), {},
                                   {scratch.data(), scratch.bytes()});
    EXPECT_LE(error_of(c.dweight, expected.dweight), 1e-13);
    device->layers().norm_backward(c.norm, c.x.bshd(), c.dy.bshd(), c.dx.bshd(), false, {}, {},
                                   {scratch.data(), scratch.bytes()});
    EXPECT_LE(error_of(c.dx, expected.dx), 1e-13);
  }
}

TEST_P(Norms, GradientsHaveTheSameBitsEveryTime) {
  for (const lvx_norm kind : kNorms) {
    NormCase one(kind, {1, 5000, 1, 40}, DType::kFloat32, 3);
    NormCase other(kind, {1, 5000, 1, 40}, DType::kFloat32, 3);
    one.backward(*device, one.dx.bshd(), false);
    other.backward(*device, other.dx.bshd(), false);
    EXPECT_EQ(one.dx.memory(), other.dx.memory());
    EXPECT_EQ(one.dweight.memory(), other.dweight.memory());
    EXPECT_EQ(one.dbias.memory(), other.dbias.memory());
  }
}

}  // namespace lvx::testing
