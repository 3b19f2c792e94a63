// SPDX-License-Identifier: Apache-2.0
#include "abi/projection_check.h"

#include <cmath>
#include <string>

#include "abi/layer_check.h"
#include "abi/structs.h"

namespace lvx {
namespace {

[[noreturn]] void reject(const char* name, const std::string& what) {
  throw ArgumentError(LVX_INVALID_ARGUMENT, name, what);
}

void require_between(std::int64_t value, std::int64_t low, std::int64_t high, const char* name) {
  if (value < low || value > high) {
    reject(name, "expected " + std::to_string(low) + " to " + std::to_string(high) + ", got " +
                     std::to_string(value));
  }
}

void require_positive(double value, const char* name) {
  if (!std::isfinite(value) || value <= 0) {
    reject(name, "expected a finite number above 0, got " + std::to_string(value));
  }
}

void require_null(const lvx_tensor* tensor, const char* name, const char* when) {
  if (tensor != nullptr) reject(name, std::string("expected null ") + when + ", got a tensor");
}

// Takes the parameters in, one after the other.
class Parameters {
 public:
  Parameters(DType dtype, const DeviceId& device_id, std::vector<CheckedTensor>& tensors)
      : dtype_(dtype), place_(device_id), tensors_(tensors) {}

  Parameter matrix(const lvx_tensor* tensor, const char* name, std::int64_t out, std::int64_t in) {
    const CheckedTensor checked = check_matrix(tensor, name, dtype_, place_);
    require_shape(checked, {out, in}, "[outputs, width of the features]");
    return take(checked);
  }
  Parameter vector(const lvx_tensor* tensor, const char* name, std::int64_t width) {
    return take(check_vector(tensor, name, width, dtype_, place_));
  }
  Parameter optional_vector(const lvx_tensor* tensor, const char* name, std::int64_t width) {
    return tensor == nullptr ? Parameter{} : vector(tensor, name, width);
  }

 private:
  Parameter take(const CheckedTensor& checked) {
    tensors_.push_back(checked);
    return parameter_of(checked);
  }

  DType dtype_;
  DeviceId place_;
  std::vector<CheckedTensor>& tensors_;
};

void check_heads(const lvx_projection& given, Projection& out) {
  require_between(given.key_heads, 1, INT32_MAX, "projection.key_heads");
  require_between(given.head_dim, 8, 256, "projection.head_dim");
  if (given.head_dim % 8 != 0) {
    reject("projection.head_dim", "expected a multiple of 8, got " + std::to_string(given.head_dim));
  }
  out.key_heads = given.key_heads;
  out.head_dim = given.head_dim;
}

void check_products(const lvx_projection& given, Parameters& parameters, Projection& out) {
  const std::int64_t width = out.key_width();
  const bool fused = out.layout != LVX_KEY_VALUE_SEPARATE;
  const std::int64_t outputs = fused ? 2 * width : width;
  out.weight = parameters.matrix(given.weight, "projection.weight", outputs, out.width);
  out.bias = parameters.optional_vector(given.bias, "projection.bias", outputs);
  if (fused) {
    require_null(given.value_weight, "projection.value_weight", "where weight gives both");
    require_null(given.value_bias, "projection.value_bias", "where bias serves both");
    return;
  }
  out.value_weight = parameters.matrix(given.value_weight, "projection.value_weight", width, out.width);
  out.value_bias = parameters.optional_vector(given.value_bias, "projection.value_bias", width);
}

void check_input_norm(const lvx_projection& given, Parameters& parameters, Projection& out) {
  require_between(given.input_norm, LVX_NORM_NONE, LVX_NORM_LAYER, "projection.input_norm");
  out.input_norm.kind = static_cast<lvx_norm>(given.input_norm);
  if (out.input_norm.kind == LVX_NORM_NONE) {
    require_null(given.input_weight, "projection.input_weight", "without a norm of the features");
  } else {
    require_positive(given.input_epsilon, "projection.input_epsilon");
    out.input_norm.epsilon = given.input_epsilon;
    out.input_norm.weight = parameters.vector(given.input_weight, "projection.input_weight", out.width);
  }
  if (out.input_norm.kind == LVX_NORM_LAYER) {
    out.input_norm.bias = parameters.vector(given.input_bias, "projection.input_bias", out.width);
  } else {
    require_null(given.input_bias, "projection.input_bias", "without a layer norm of the features");
  }
}

void check_key_norm(const lvx_projection& given, Parameters& parameters, Projection& out) {
  require_between(given.key_norm, LVX_NORM_NONE, LVX_NORM_RMS, "projection.key_norm");
  out.key_norm.kind = static_cast<lvx_norm>(given.key_norm);
  if (out.key_norm.kind == LVX_NORM_NONE) {
    return require_null(given.key_weight, "projection.key_weight", "without a norm of the keys");
  }
  require_positive(given.key_epsilon, "projection.key_epsilon");
  out.key_norm.epsilon = given.key_epsilon;
  out.key_norm.weight = parameters.vector(given.key_weight, "projection.key_weight", out.head_dim);
}

// rows is [batch, rows, ...].
void check_rotary(const lvx_projection& given, const CheckedTensor& rows, const DeviceId& device_id,
                  CheckedProjection& out) {
  require_flag(given.rotary, "projection.rotary");
  out.projection.rotary = given.rotary == 1;
  if (!out.projection.rotary) {
    return require_null(given.positions, "projection.positions", "without a rotary embedding");
  }
  require_positive(given.theta, "projection.theta");
  out.projection.theta = given.theta;
  out.tensors.push_back(check_row_integers(given.positions, "projection.positions", rows, device_id));
  out.projection.positions = integers_of(out.tensors.back());
}

}  // namespace

CheckedTensor check_features(const lvx_tensor* features, const DeviceId& device_id) {
  const CheckedTensor checked = check_rows(features, "features", device_id);
  if (checked.shape[2] < 1) reject("features", "expected a width of 1 or more, got 0");
  return checked;
}

CheckedProjection check_projection(const lvx_projection* projection, const CheckedTensor& features,
                                   const DeviceId& device_id) {
  const lvx_projection given = read_options(projection, "projection");
  CheckedProjection checked;
  Projection& out = checked.projection;
  check_heads(given, out);
  require_between(given.layout, LVX_KEY_VALUE_SEPARATE, LVX_KEY_VALUE_INTERLEAVED, "projection.layout");
  out.width = features.shape[2];
  out.layout = static_cast<lvx_key_value_layout>(given.layout);
  Parameters parameters(features.dtype, device_id, checked.tensors);
  check_products(given, parameters, out);
  check_input_norm(given, parameters, out);
  check_key_norm(given, parameters, out);
  check_rotary(given, features, device_id, checked);
  return checked;
}

CheckedProjection check_key_finish(const lvx_projection* projection, const CheckedTensor& raw_k,
                                   const DeviceId& device_id) {
  const lvx_projection given = read_options(projection, "projection");
  CheckedProjection checked;
  check_heads(given, checked.projection);
  Parameters parameters(raw_k.dtype, device_id, checked.tensors);
  check_key_norm(given, parameters, checked.projection);
  check_rotary(given, raw_k, device_id, checked);
  return checked;
}

CheckedProjectionGradients check_projection_gradients(const lvx_projection_gradients* gradients,
                                                      const CheckedProjection& projection, DType dtype,
                                                      const DeviceId& device_id) {
  CheckedProjectionGradients checked;
  if (gradients == nullptr) return checked;
  const lvx_projection_gradients given = read_options(gradients, "gradients");
  const auto take = [&](const lvx_tensor* tensor, const char* name, const Parameter& parameter,
                        bool matrix) -> Parameter {
    if (tensor == nullptr) return {};
    if (parameter.none()) reject(name, "expected null where there is no such parameter, got a tensor");
    const CheckedTensor gradient =
        matrix ? check_gradient(tensor, name, {parameter.rows, parameter.width}, dtype, device_id)
               : check_gradient(tensor, name, {parameter.width}, dtype, device_id);
    checked.tensors.push_back(gradient);
    return parameter_of(gradient);
  };
  const Projection& of = projection.projection;
  ProjectionGradients& out = checked.gradients;
  out.weight = take(given.weight, "gradients.weight", of.weight, true);
  out.bias = take(given.bias, "gradients.bias", of.bias, false);
  out.value_weight = take(given.value_weight, "gradients.value_weight", of.value_weight, true);
  out.value_bias = take(given.value_bias, "gradients.value_bias", of.value_bias, false);
  out.input_weight = take(given.input_weight, "gradients.input_weight", of.input_norm.weight, false);
  out.input_bias = take(given.input_bias, "gradients.input_bias", of.input_norm.bias, false);
  out.key_weight = take(given.key_weight, "gradients.key_weight", of.key_norm.weight, false);
  return checked;
}

CheckedTensor check_feature_gradient(const lvx_tensor* d_features, const CheckedTensor& features,
                                     const DeviceId& device_id) {
  const CheckedTensor checked = check_rows(d_features, "d_features", device_id);
  require_shape(checked, {features.shape[0], features.shape[1], features.shape[2]}, "like features");
  require_dtype(checked, {accumulator_of(features.dtype)}, "the accumulator's of the features");
  return checked;
}

}  // namespace lvx
