// SPDX-License-Identifier: Apache-2.0
#include "abi/layer_check.h"

#include <limits>
#include <string>

namespace lvx {
namespace {

constexpr const char* kRows = "[batch, rows, width]";
constexpr const char* kHeadRows = "[batch, rows, width] or [batch, rows, heads, width]";
constexpr std::int64_t kLargest = std::numeric_limits<std::int32_t>::max();  // that matrix products count to

void require_floating(const CheckedTensor& tensor) {
  require_dtype(tensor, {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16},
                "of layer operations");
}

void require_parameter_dtype(const CheckedTensor& tensor, DType dtype) {
  if (dtype == accumulator_of(dtype)) {
    require_dtype(tensor, {dtype}, "of the rows");
  } else {
    require_dtype(tensor, {dtype, accumulator_of(dtype)}, "of the rows or their accumulator");
  }
}

}  // namespace

CheckedTensor check_rows(const lvx_tensor* tensor, const char* name, const DeviceId& device_id) {
  const CheckedTensor checked = check_tensor(tensor, name, 3, kRows, device_id);
  require_floating(checked);
  return checked;
}

CheckedTensor check_head_rows(const lvx_tensor* tensor, const char* name, const DeviceId& device_id) {
  const int ndim = tensor != nullptr && tensor->ndim == 3 ? 3 : 4;
  const CheckedTensor checked = check_tensor(tensor, name, ndim, kHeadRows, device_id);
  require_floating(checked);
  return checked;
}

CheckedTensor check_like(const lvx_tensor* tensor, const char* name, const CheckedTensor& model,
                         const DeviceId& device_id) {
  const std::string why = std::string("like ") + model.name;
  const CheckedTensor checked =
      check_tensor(tensor, name, model.ndim, model.ndim == 3 ? kRows : kHeadRows, device_id);
  require_shape(checked, std::span(model.shape).first(static_cast<std::size_t>(model.ndim)), why.c_str());
  require_dtype(checked, {model.dtype}, why.c_str());
  return checked;
}

CheckedTensor check_vector(const lvx_tensor* tensor, const char* name, std::int64_t width, DType dtype,
                           const DeviceId& device_id) {
  const CheckedTensor checked = check_tensor(tensor, name, 1, "[width]", device_id);
  require_shape(checked, {width}, "of a parameter of each column");
  require_parameter_dtype(checked, dtype);
  return checked;
}

CheckedTensor check_matrix(const lvx_tensor* tensor, const char* name, DType dtype,
                           const DeviceId& device_id) {
  const CheckedTensor checked = check_tensor(tensor, name, 2, "[out, in]", device_id);
  require_parameter_dtype(checked, dtype);
  const std::int64_t rows = checked.shape[0], width = checked.shape[1], stride = checked.strides[0];
  if (rows > kLargest || width > kLargest || (!checked.empty() && (stride < width || stride > kLargest))) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, name,
                        "expected at most 2^31 - 1 rows and columns, and rows that lie apart by at "
                        "least their length and at most 2^31 - 1 elements, got " +
                            std::to_string(rows) + " rows of " + std::to_string(width) + " with stride " +
                            std::to_string(stride));
  }
  return checked;
}

CheckedTensor check_gradient(const lvx_tensor* tensor, const char* name,
                             std::initializer_list<std::int64_t> shape, DType dtype,
                             const DeviceId& device_id) {
  if (shape.size() == 2) {
    const CheckedTensor checked = check_matrix(tensor, name, accumulator_of(dtype), device_id);
    require_shape(checked, shape, "of the parameter");
    return checked;
  }
  return check_vector(tensor, name, *shape.begin(), accumulator_of(dtype), device_id);
}

CheckedTensor check_row_integers(const lvx_tensor* tensor, const char* name, const CheckedTensor& rows,
                                 const DeviceId& device_id) {
  const CheckedTensor checked = check_tensor(tensor, name, 2, "[batch, rows]", device_id);
  require_shape(checked, {rows.shape[0], rows.shape[1]}, "of the rows");
  require_dtype(checked, {DType::kInt32}, "of a number for each row");
  return checked;
}

void require_flag(std::int32_t flag, const char* name) {
  if (flag == 0 || flag == 1) return;
  throw ArgumentError(LVX_INVALID_ARGUMENT, name, "expected 0 or 1, got " + std::to_string(flag));
}

const CheckedTensor* unless_same(const CheckedTensor& input, const CheckedTensor& output) {
  const bool same = input.data == output.data && input.dtype == output.dtype && input.ndim == output.ndim &&
                    input.shape == output.shape && input.strides == output.strides;
  return same ? nullptr : &input;
}

Rows rows_of(const CheckedTensor& tensor) {
  return {tensor.data,     tensor.dtype,      tensor.shape[0],  tensor.shape[1],
          tensor.shape[2], tensor.strides[0], tensor.strides[1]};
}

Bshd heads_of(const CheckedTensor& tensor) {
  if (tensor.ndim == 4) return bshd_of(tensor);
  return {tensor.data,
          tensor.dtype,
          tensor.shape[0],
          tensor.shape[1],
          1,
          tensor.shape[2],
          tensor.strides[0],
          tensor.strides[1],
          0};
}

Parameter parameter_of(const CheckedTensor& tensor) {
  if (tensor.ndim == 1) return {tensor.data, tensor.dtype, 1, tensor.shape[0], tensor.shape[0]};
  return {tensor.data, tensor.dtype, tensor.shape[0], tensor.shape[1], tensor.strides[0]};
}

RowIntegers integers_of(const CheckedTensor& tensor) {
  return {reinterpret_cast<const std::int32_t*>(tensor.data), tensor.strides[0], tensor.strides[1]};
}

}  // namespace lvx
