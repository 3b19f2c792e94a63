// SPDX-License-Identifier: Apache-2.0
// Tensors of layer operations, checked one by one; then turned into the views that devices work with.
#pragma once

#include "abi/tensor_check.h"
#include "device/layers.h"

namespace lvx {

// All throw Error(LVX_INVALID_ARGUMENT).

// [batch, rows, width] of a floating-point dtype.
CheckedTensor check_rows(const lvx_tensor* tensor, const char* name, const DeviceId& device_id);
// The same with heads, [batch, rows, heads, width]; without them there is one.
CheckedTensor check_head_rows(const lvx_tensor* tensor, const char* name, const DeviceId& device_id);
// Shape and dtype of model.
CheckedTensor check_like(const lvx_tensor* tensor, const char* name, const CheckedTensor& model,
                         const DeviceId& device_id);

// A parameter of rows of that dtype: [width], or a matrix [rows, width] whose rows lie apart.
CheckedTensor check_vector(const lvx_tensor* tensor, const char* name, std::int64_t width, DType dtype,
                           const DeviceId& device_id);
CheckedTensor check_matrix(const lvx_tensor* tensor, const char* name, DType dtype,
                           const DeviceId& device_id);
// Its gradient: the shape of the parameter in the accumulator's dtype.
CheckedTensor check_gradient(const lvx_tensor* tensor, const char* name,
                             std::initializer_list<std::int64_t> shape, DType dtype,
                             const DeviceId& device_id);

// int32 [batch, rows] of rows.
CheckedTensor check_row_integers(const lvx_tensor* tensor, const char* name, const CheckedTensor& rows,
                                 const DeviceId& device_id);

// nullopt where there is no tensor; otherwise what check(tensor) says.
template <typename Check>
OptionalTensor if_given(const lvx_tensor* tensor, const Check& check) {
  if (tensor == nullptr) return std::nullopt;
  return check(tensor);
}

void require_flag(std::int32_t flag, const char* name);

// Null where output is given exactly that input, for an operation that may overwrite it: nothing to keep apart then.
const CheckedTensor* unless_same(const CheckedTensor& input, const CheckedTensor& output);

Rows rows_of(const CheckedTensor& tensor);
Bshd heads_of(const CheckedTensor& tensor);  // from three or four dimensions
Parameter parameter_of(const CheckedTensor& tensor);
RowIntegers integers_of(const CheckedTensor& tensor);

inline Rows rows_of(const OptionalTensor& tensor) { return tensor ? rows_of(*tensor) : Rows{}; }
inline Bshd heads_of(const OptionalTensor& tensor) { return tensor ? heads_of(*tensor) : Bshd{}; }
inline Parameter parameter_of(const OptionalTensor& tensor) {
  return tensor ? parameter_of(*tensor) : Parameter{};
}
inline RowIntegers integers_of(const OptionalTensor& tensor) {
  return tensor ? integers_of(*tensor) : RowIntegers{};
}

}  // namespace lvx
