// SPDX-License-Identifier: Apache-2.0
// Norms of rows or heads, and the rotary embedding of heads.
#include <cmath>

#include "abi/device_id.h"
#include "abi/error.h"
#include "abi/layer_check.h"
#include "abi/objects.h"
#include "abi/overlap.h"

using namespace lvx;

namespace {

lvx_norm check_norm(std::int32_t norm, double epsilon) {
  if (norm != LVX_NORM_RMS && norm != LVX_NORM_LAYER) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "norm",
                        "expected LVX_NORM_RMS (1) or LVX_NORM_LAYER (2), got " + std::to_string(norm));
  }
  if (!std::isfinite(epsilon) || epsilon < 0) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "epsilon",
                        "expected a finite number, 0 or more, got " + std::to_string(epsilon));
  }
  return static_cast<lvx_norm>(norm);
}

void require_no_bias(lvx_norm norm, const lvx_tensor* bias, const char* name) {
  if (norm == LVX_NORM_LAYER || bias == nullptr) return;
  throw ArgumentError(LVX_INVALID_ARGUMENT, name, "expected null for LVX_NORM_RMS, got a tensor");
}

}  // namespace

lvx_status lvx_norm_forward(lvx_device device, int32_t norm, double epsilon, const lvx_tensor* x,
                            const lvx_tensor* weight, const lvx_tensor* bias, const lvx_tensor* y) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const lvx_norm kind = check_norm(norm, epsilon);
    const CheckedTensor in = check_head_rows(x, "x", device_id);
    const std::int64_t width = heads_of(in).dim;
    const CheckedTensor scale = check_vector(weight, "weight", width, in.dtype, device_id);
    require_no_bias(kind, bias, "bias");
    const OptionalTensor shift =
        if_given(bias, [&](auto* t) { return check_vector(t, "bias", width, in.dtype, device_id); });
    const CheckedTensor out = check_like(y, "y", in, device_id);
    require_separate({&out}, {unless_same(in, out), &scale, pointer_to(shift)});

    const InUse use(object->busy, "device");
    object->device->layers().norm_forward({kind, epsilon, parameter_of(scale), parameter_of(shift)},
                                          heads_of(in), heads_of(out));
  });
}

lvx_status lvx_norm_backward(lvx_device device, int32_t norm, double epsilon, const lvx_tensor* x,
                             const lvx_tensor* weight, const lvx_tensor* dy, const lvx_tensor* dx,
                             int32_t add_dx, const lvx_tensor* dweight, const lvx_tensor* dbias) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const lvx_norm kind = check_norm(norm, epsilon);
    const CheckedTensor in = check_head_rows(x, "x", device_id);
    const std::int64_t width = heads_of(in).dim;
    const CheckedTensor scale = check_vector(weight, "weight", width, in.dtype, device_id);
    const CheckedTensor gradient = check_like(dy, "dy", in, device_id);
    const OptionalTensor d_in = if_given(dx, [&](auto* t) { return check_like(t, "dx", in, device_id); });
    require_flag(add_dx, "add_dx");
    const auto check_parameter = [&](const char* name) {
      return [&, name](auto* t) { return check_gradient(t, name, {width}, in.dtype, device_id); };
    };
    const OptionalTensor d_scale = if_given(dweight, check_parameter("dweight"));
    require_no_bias(kind, dbias, "dbias");
    const OptionalTensor d_shift = if_given(dbias, check_parameter("dbias"));
    const bool may_overwrite = d_in && add_dx == 0;
    require_separate({pointer_to(d_in), pointer_to(d_scale), pointer_to(d_shift)},
                     {&in, &scale, may_overwrite ? unless_same(gradient, *d_in) : &gradient});
    // What dx may overwrite, the others may not.
    require_separate({pointer_to(d_scale), pointer_to(d_shift)}, {&gradient});

    const InUse use(object->busy, "device");
    LayerOperations& layers = object->device->layers();
    const DeviceMemory scratch(*object->device, layers.norm_scratch(width));
    layers.norm_backward({kind, epsilon, parameter_of(scale), {}}, heads_of(in), heads_of(gradient),
                         heads_of(d_in), add_dx == 1, parameter_of(d_scale), parameter_of(d_shift),
                         {scratch.data(), scratch.bytes()});
  });
}

lvx_status lvx_rotary(lvx_device device, double theta, int32_t inverse, const lvx_tensor* x,
                      const lvx_tensor* positions, const lvx_tensor* y) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    if (!std::isfinite(theta) || theta <= 0) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "theta",
                          "expected a finite number above 0, got " + std::to_string(theta));
    }
    require_flag(inverse, "inverse");
    const CheckedTensor in = check_head_rows(x, "x", device_id);
    if (in.ndim != 4 || in.shape[3] < 2 || in.shape[3] > 256 || in.shape[3] % 2 != 0) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "x",
                          "expected [batch, rows, heads, headDim] with an even headDim from 2 to 256, got " +
                              std::to_string(in.ndim) + " dimensions, the last of " +
                              std::to_string(in.shape[static_cast<std::size_t>(in.ndim - 1)]));
    }
    const CheckedTensor places = check_row_integers(positions, "positions", in, device_id);
    const CheckedTensor out = check_like(y, "y", in, device_id);
    require_separate({&out}, {unless_same(in, out), &places});

    const InUse use(object->busy, "device");
    object->device->layers().rotary(theta, inverse == 1, heads_of(in), integers_of(places), heads_of(out));
  });
}
