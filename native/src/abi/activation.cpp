// SPDX-License-Identifier: Apache-2.0
// Activations of rows.
#include "abi/device_id.h"
#include "abi/error.h"
#include "abi/layer_check.h"
#include "abi/objects.h"
#include "abi/overlap.h"

using namespace lvx;

lvx_status lvx_swiglu_forward(lvx_device device, const lvx_tensor* gate, const lvx_tensor* up,
                              const lvx_tensor* y) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor g = check_rows(gate, "gate", device_id);
    const CheckedTensor u = check_like(up, "up", g, device_id);
    const CheckedTensor out = check_like(y, "y", g, device_id);
    require_separate({&out}, {unless_same(g, out), unless_same(u, out)});

    const InUse use(object->busy, "device");
    object->device->layers().swiglu_forward(rows_of(g), rows_of(u), rows_of(out));
  });
}

lvx_status lvx_swiglu_backward(lvx_device device, const lvx_tensor* gate, const lvx_tensor* up,
                               const lvx_tensor* dy, const lvx_tensor* dgate, const lvx_tensor* dup) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor g = check_rows(gate, "gate", device_id);
    const CheckedTensor u = check_like(up, "up", g, device_id);
    const CheckedTensor gradient = check_like(dy, "dy", g, device_id);
    const CheckedTensor d_gate = check_like(dgate, "dgate", g, device_id);
    const CheckedTensor d_up = check_like(dup, "dup", g, device_id);
    require_separate({&d_gate, &d_up}, {&gradient});
    require_separate({&d_gate}, {unless_same(g, d_gate), &u});
    require_separate({&d_up}, {&g, unless_same(u, d_up)});

    const InUse use(object->busy, "device");
    object->device->layers().swiglu_backward(rows_of(g), rows_of(u), rows_of(gradient), rows_of(d_gate),
                                             rows_of(d_up));
  });
}

lvx_status lvx_gelu_forward(lvx_device device, const lvx_tensor* x, const lvx_tensor* y) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor in = check_rows(x, "x", device_id);
    const CheckedTensor out = check_like(y, "y", in, device_id);
    require_separate({&out}, {unless_same(in, out)});

    const InUse use(object->busy, "device");
    object->device->layers().gelu_forward(rows_of(in), rows_of(out));
  });
}

lvx_status lvx_gelu_backward(lvx_device device, const lvx_tensor* x, const lvx_tensor* dy,
                             const lvx_tensor* dx) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor in = check_rows(x, "x", device_id);
    const CheckedTensor gradient = check_like(dy, "dy", in, device_id);
    const CheckedTensor d_in = check_like(dx, "dx", in, device_id);
    require_separate({&d_in}, {unless_same(in, d_in), unless_same(gradient, d_in)});

    const InUse use(object->busy, "device");
    object->device->layers().gelu_backward(rows_of(in), rows_of(gradient), rows_of(d_in));
  });
}
