// SPDX-License-Identifier: Apache-2.0
// Linear maps of rows.
#include "abi/device_id.h"
#include "abi/error.h"
#include "abi/layer_check.h"
#include "abi/objects.h"
#include "abi/overlap.h"

using namespace lvx;

namespace {

void require_rows_of(const CheckedTensor& tensor, const CheckedTensor& model, std::int64_t width,
                     const char* why) {
  require_shape(tensor, {model.shape[0], model.shape[1], width}, why);
  require_dtype(tensor, {model.dtype}, why);
}

}  // namespace

lvx_status lvx_linear_forward(lvx_device device, const lvx_tensor* x, const lvx_tensor* w,
                              const lvx_tensor* b, const lvx_tensor* y) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor in = check_rows(x, "x", device_id);
    const CheckedTensor weight = check_matrix(w, "w", in.dtype, device_id);
    require_shape(weight, {weight.shape[0], in.shape[2]}, "[out, width of x]");
    const OptionalTensor bias =
        if_given(b, [&](auto* t) { return check_vector(t, "b", weight.shape[0], in.dtype, device_id); });
    const CheckedTensor out = check_rows(y, "y", device_id);
    require_rows_of(out, in, weight.shape[0], "with the rows of x and the columns of w");
    require_separate({&out}, {&in, &weight, pointer_to(bias)});

    const InUse use(object->busy, "device");
    LayerOperations& layers = object->device->layers();
    const DeviceMemory scratch(*object->device, layers.linear_scratch(in.shape[0] * in.shape[1], in.shape[2],
                                                                      weight.shape[0], in.dtype));
    layers.linear_forward(rows_of(in), parameter_of(weight), parameter_of(bias), rows_of(out),
                          {scratch.data(), scratch.bytes()});
  });
}

lvx_status lvx_linear_backward(lvx_device device, const lvx_tensor* x, const lvx_tensor* w,
                               const lvx_tensor* dy, const lvx_tensor* dx, int32_t add_dx,
                               const lvx_tensor* dw, const lvx_tensor* db) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor gradient = check_rows(dy, "dy", device_id);
    const DType dtype = gradient.dtype;
    const CheckedTensor weight = check_matrix(w, "w", dtype, device_id);
    const std::int64_t to = weight.shape[0];
    const std::int64_t from = weight.shape[1];
    require_shape(weight, {gradient.shape[2], from}, "[width of dy, in]");
    const auto check_input = [&](const lvx_tensor* tensor, const char* name) {
      const CheckedTensor checked = check_rows(tensor, name, device_id);
      require_rows_of(checked, gradient, from, "with the rows of dy and the width of w");
      return checked;
    };
    const OptionalTensor in =
        dw == nullptr && x == nullptr ? std::nullopt : OptionalTensor(check_input(x, "x"));
    const OptionalTensor d_in = if_given(dx, [&](auto* t) { return check_input(t, "dx"); });
    require_flag(add_dx, "add_dx");
    const OptionalTensor d_weight = if_given(dw, [&](auto* t) {
      return check_gradient(t, "dw", {to, from}, dtype, device_id);
    });
    const OptionalTensor d_bias =
        if_given(db, [&](auto* t) { return check_gradient(t, "db", {to}, dtype, device_id); });
    require_separate({pointer_to(d_in), pointer_to(d_weight), pointer_to(d_bias)},
                     {pointer_to(in), &weight, &gradient});

    const InUse use(object->busy, "device");
    LayerOperations& layers = object->device->layers();
    const DeviceMemory scratch(*object->device,
                               layers.linear_scratch(gradient.shape[0] * gradient.shape[1], from, to, dtype));
    layers.linear_backward(rows_of(in), parameter_of(weight), rows_of(gradient), rows_of(d_in), add_dx == 1,
                           parameter_of(d_weight), parameter_of(d_bias), {scratch.data(), scratch.bytes()});
  });
}
