// SPDX-License-Identifier: Apache-2.0
// A random attention problem whose keys and values are projected from random features, with textbook loops for the projection
// and its gradients.
#pragma once

#include "recompute/projection.h"
#include "support/attention_shares.h"

namespace lvx::test {

struct ProjectionValues {
  // Of K and V together, [2 Hkv D, width] and [2 Hkv D]. If they are separate, K's come first.
  Values weight, bias;
  Values input_weight, input_bias, key_weight;

  ProjectionValues like() const {
    return {Values(weight.size()), Values(bias.size()), Values(input_weight.size()),
            Values(input_bias.size()), Values(key_weight.size())};
  }
};

struct VisualProblem {
  RandomProblem random;  // k and v are the projected ones
  std::int64_t width = 0;
  std::int64_t tile_rows = 1;
  lvx_key_value_layout layout = LVX_KEY_VALUE_SEPARATE;
  lvx_norm input_norm = LVX_NORM_NONE;
  lvx_norm key_norm = LVX_NORM_NONE;
  bool rotary = false;
  double epsilon = 1e-5;
  double theta = 100;
  Values features;  // [batch, keys, width]
  std::vector<std::int32_t> positions;
  ProjectionValues parameters;

  explicit VisualProblem(std::uint64_t seed);

  // The projection of some rows. positions: [batch, rows] of these rows.
  Projection view(const ProjectionValues& values, const std::vector<std::int32_t>& at,
                  std::int64_t rows) const;
  ProjectionGradients gradients(ProjectionValues& sums) const;

  // The gradients from dk and dv of all keys. Returns the largest term of an element of d_features: the terms of a norm cancel,
  // almost wholly if the features are few (one feature of RMSNorm, two of LayerNorm), and rounding errors are relative to them.
  double backward(const Values& dk, const Values& dv, Values& d_features, ProjectionValues& sums) const;

 private:
  std::int64_t key_width() const { return random.shape.key_heads * random.shape.head_dim; }
  std::size_t output(std::int64_t head, std::int64_t d, bool value) const;
  void normalise(lvx_norm norm, const double* x, const double* weight, const double* bias, std::int64_t n,
                 double* y) const;
  // Returns the largest term of an element of dx.
  double normalise_back(lvx_norm norm, const double* x, const double* weight, const double* dy,
                        std::int64_t n, double* dx, double* dweight, double* dbias) const;
  void rotate(double* head, std::int64_t row, double sign) const;
  void forward();
};

inline VisualProblem::VisualProblem(std::uint64_t seed) : random(seed) {
  std::mt19937_64 dice(seed * 7919 + 1);
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(dice);
  };
  const auto fill = [&](Values& values, std::int64_t count, double scale, double shift) {
    std::normal_distribution<double> normal;
    values.resize(static_cast<std::size_t>(count));
    for (double& value : values) value = shift + scale * normal(dice);
  };
  const ProblemShape& p = random.shape;
  width = pick(1, 40);
  tile_rows = pick(1, 40);
  layout = static_cast<lvx_key_value_layout>(pick(0, 2));
  input_norm = static_cast<lvx_norm>(pick(0, 2));
  key_norm = static_cast<lvx_norm>(pick(0, 1));
  rotary = pick(0, 1) != 0;
  fill(features, p.batch * p.keys * width, 1, 0);
  fill(parameters.weight, 2 * key_width() * width, 1 / std::sqrt(static_cast<double>(width)), 0);
  if (pick(0, 1) != 0) fill(parameters.bias, 2 * key_width(), 1, 0);
  if (input_norm != LVX_NORM_NONE) fill(parameters.input_weight, width, 0.2, 1);
  if (input_norm == LVX_NORM_LAYER) fill(parameters.input_bias, width, 0.2, 0);
  if (key_norm != LVX_NORM_NONE) fill(parameters.key_weight, p.head_dim, 0.2, 1);
  for (std::int64_t row = 0; row < p.batch * p.keys; ++row) {
    positions.push_back(static_cast<std::int32_t>(pick(0, 200)));
  }
  forward();
}

inline std::size_t VisualProblem::output(std::int64_t head, std::int64_t d, bool value) const {
  const std::int64_t dim = random.shape.head_dim;
  if (layout == LVX_KEY_VALUE_INTERLEAVED)
    return static_cast<std::size_t>(head * 2 * dim + (value ? dim : 0) + d);
  return static_cast<std::size_t>((value ? key_width() : 0) + head * dim + d);
}

inline void VisualProblem::normalise(lvx_norm norm, const double* x, const double* weight, const double* bias,
                                     std::int64_t n, double* y) const {
  double mean = 0;
  double square = 0;
  for (std::int64_t i = 0; norm == LVX_NORM_LAYER && i < n; ++i) mean += x[i] / static_cast<double>(n);
  for (std::int64_t i = 0; i < n; ++i) square += (x[i] - mean) * (x[i] - mean) / static_cast<double>(n);
  const double factor = 1 / std::sqrt(square + epsilon);
  for (std::int64_t i = 0; i < n; ++i) {
    y[i] = norm == LVX_NORM_NONE ? x[i] : weight[i] * (x[i] - mean) * factor;
    if (norm == LVX_NORM_LAYER) y[i] += bias[i];
  }
}

inline double VisualProblem::normalise_back(lvx_norm norm, const double* x, const double* weight,
                                            const double* dy, std::int64_t n, double* dx, double* dweight,
                                            double* dbias) const {
  if (norm == LVX_NORM_NONE) {
    std::copy_n(dy, n, dx);
    return 0;
  }
  const auto count = static_cast<double>(n);
  double mean = 0;
  double square = 0;
  for (std::int64_t i = 0; norm == LVX_NORM_LAYER && i < n; ++i) mean += x[i] / count;
  for (std::int64_t i = 0; i < n; ++i) square += (x[i] - mean) * (x[i] - mean) / count;
  const double factor = 1 / std::sqrt(square + epsilon);
  double along = 0;
  double largest_term = 0;
  double mean_gradient = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    along += weight[i] * dy[i] * (x[i] - mean) * factor / count;
    if (norm == LVX_NORM_LAYER) mean_gradient += weight[i] * dy[i] / count;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const double centred = (x[i] - mean) * factor;
    dweight[i] += dy[i] * centred;
    if (norm == LVX_NORM_LAYER) dbias[i] += dy[i];
    dx[i] = factor * (weight[i] * dy[i] - mean_gradient - centred * along);
    largest_term = std::max(largest_term, std::abs(factor * weight[i] * dy[i]));
  }
  return largest_term;
}

inline void VisualProblem::rotate(double* head, std::int64_t row, double sign) const {
  const std::int64_t half = random.shape.head_dim / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    const double angle = sign * positions[static_cast<std::size_t>(row)] *
                         std::pow(theta, -static_cast<double>(i) / static_cast<double>(half));
    const double a = head[i];
    const double b = head[i + half];
    head[i] = a * std::cos(angle) - b * std::sin(angle);
    head[i + half] = b * std::cos(angle) + a * std::sin(angle);
  }
}

inline void VisualProblem::forward() {
  const ProblemShape& p = random.shape;
  Values input(static_cast<std::size_t>(width));
  Values raw(static_cast<std::size_t>(p.head_dim));
  for (std::int64_t row = 0; row < p.batch * p.keys; ++row) {
    normalise(input_norm, features.data() + row * width, parameters.input_weight.data(),
              parameters.input_bias.data(), width, input.data());
    for (std::int64_t head = 0; head < p.key_heads; ++head) {
      double* k = random.k.data() + (row * p.key_heads + head) * p.head_dim;
      double* v = random.v.data() + (row * p.key_heads + head) * p.head_dim;
      for (std::int64_t d = 0; d < p.head_dim; ++d) {
        for (const bool value : {false, true}) {
          const std::size_t out = output(head, d, value);
          double sum = parameters.bias.empty() ? 0 : parameters.bias[out];
          for (std::int64_t i = 0; i < width; ++i) {
            sum += parameters.weight[out * static_cast<std::size_t>(width) + static_cast<std::size_t>(i)] *
                   input[static_cast<std::size_t>(i)];
          }
          (value ? v : raw.data())[d] = sum;
        }
      }
      normalise(key_norm, raw.data(), parameters.key_weight.data(), nullptr, p.head_dim, k);
      if (rotary) rotate(k, row, 1);
    }
  }
}

inline double VisualProblem::backward(const Values& dk, const Values& dv, Values& d_features,
                                      ProjectionValues& sums) const {
  const ProblemShape& p = random.shape;
  Values input(static_cast<std::size_t>(width)), d_input(input.size());
  Values raw(static_cast<std::size_t>(p.head_dim)), d_key(raw.size()), d_raw(raw.size());
  double largest_term = 0;
  for (std::int64_t row = 0; row < p.batch * p.keys; ++row) {
    const double* x = features.data() + row * width;
    normalise(input_norm, x, parameters.input_weight.data(), parameters.input_bias.data(), width,
              input.data());
    std::fill(d_input.begin(), d_input.end(), 0.0);
    for (std::int64_t head = 0; head < p.key_heads; ++head) {
      const std::int64_t at = (row * p.key_heads + head) * p.head_dim;
      for (std::int64_t d = 0; d < p.head_dim; ++d) {
        const std::size_t out = output(head, d, false);
        double sum = parameters.bias.empty() ? 0 : parameters.bias[out];
        for (std::size_t i = 0; i < input.size(); ++i)
          sum += parameters.weight[out * input.size() + i] * input[i];
        raw[static_cast<std::size_t>(d)] = sum;
      }
      std::copy_n(dk.data() + at, p.head_dim, d_key.data());
      if (rotary) rotate(d_key.data(), row, -1);
      normalise_back(key_norm, raw.data(), parameters.key_weight.data(), d_key.data(), p.head_dim,
                     d_raw.data(), sums.key_weight.data(), nullptr);
      for (std::int64_t d = 0; d < p.head_dim; ++d) {
        for (const bool value : {false, true}) {
          const std::size_t out = output(head, d, value);
          const double gradient =
              value ? dv[static_cast<std::size_t>(at + d)] : d_raw[static_cast<std::size_t>(d)];
          if (!sums.bias.empty()) sums.bias[out] += gradient;
          for (std::size_t i = 0; i < input.size(); ++i) {
            sums.weight[out * input.size() + i] += gradient * input[i];
            d_input[i] += gradient * parameters.weight[out * input.size() + i];
          }
        }
      }
    }
    const double term =
        normalise_back(input_norm, x, parameters.input_weight.data(), d_input.data(), width,
                       d_features.data() + row * width, sums.input_weight.data(), sums.input_bias.data());
    largest_term = std::max(largest_term, term);
  }
  return largest_term;
}

inline Parameter parameter_view(const Values& values, std::int64_t rows, std::int64_t width,
                                std::int64_t first_row = 0) {
  if (values.empty()) return {};
  auto* data = reinterpret_cast<std::byte*>(const_cast<double*>(values.data() + first_row * width));
  return {data, DType::kFloat64, rows, width, width};
}

// Calls set(parameters, member) for each member, for parameters and for their gradients.
template <typename Out>
void set_products(lvx_key_value_layout layout, const ProjectionValues& values, std::int64_t key_width,
                  std::int64_t width, Out& out) {
  if (layout == LVX_KEY_VALUE_SEPARATE) {
    out.weight = parameter_view(values.weight, key_width, width);
    out.value_weight = parameter_view(values.weight, key_width, width, key_width);
    if (values.bias.empty()) return;
    out.bias = parameter_view(values.bias, 1, key_width);
    out.value_bias = parameter_view(values.bias, 1, key_width, 1);
  } else {
    out.weight = parameter_view(values.weight, 2 * key_width, width);
    out.bias = parameter_view(values.bias, 1, 2 * key_width);
  }
}

inline Projection VisualProblem::view(const ProjectionValues& values, const std::vector<std::int32_t>& at,
                                      std::int64_t rows) const {
  static const std::int32_t nowhere = 0;
  Projection projection;
  projection.width = width;
  projection.key_heads = random.shape.key_heads;
  projection.head_dim = random.shape.head_dim;
  projection.layout = layout;
  set_products(layout, values, key_width(), width, projection);
  projection.input_norm = {input_norm, epsilon, parameter_view(values.input_weight, 1, width),
                           parameter_view(values.input_bias, 1, width)};
  projection.key_norm = {key_norm, epsilon, parameter_view(values.key_weight, 1, projection.head_dim), {}};
  projection.rotary = rotary;
  projection.theta = theta;
  if (rotary) projection.positions = {at.empty() ? &nowhere : at.data(), rows, 1};
  return projection;
}

inline ProjectionGradients VisualProblem::gradients(ProjectionValues& sums) const {
  ProjectionGradients views;
  set_products(layout, sums, key_width(), width, views);
  views.input_weight = parameter_view(sums.input_weight, 1, width);
  views.input_bias = parameter_view(sums.input_bias, 1, width);
  views.key_weight = parameter_view(sums.key_weight, 1, random.shape.head_dim);
  return views;
}

}  // namespace lvx::test
