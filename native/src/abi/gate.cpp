// SPDX-License-Identifier: Apache-2.0
// Gates that join branches, and operations on whole rows.
#include "abi/device_id.h"
#include "abi/error.h"
#include "abi/layer_check.h"
#include "abi/objects.h"
#include "abi/overlap.h"

using namespace lvx;

namespace {

OptionalTensor check_live(const lvx_tensor* live, const CheckedTensor& rows, const DeviceId& device_id) {
  return if_given(live, [&](auto* t) { return check_row_integers(t, "live", rows, device_id); });
}

}  // namespace

lvx_status lvx_gated_add_forward(lvx_device device, const lvx_tensor* x, const lvx_tensor* branch,
                                 const lvx_tensor* gate, const lvx_tensor* live, const lvx_tensor* y) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor in = check_rows(x, "x", device_id);
    const CheckedTensor added = check_like(branch, "branch", in, device_id);
    const OptionalTensor factor =
        if_given(gate, [&](auto* t) { return check_vector(t, "gate", 1, in.dtype, device_id); });
    const OptionalTensor alive = check_live(live, in, device_id);
    const CheckedTensor out = check_like(y, "y", in, device_id);
    require_separate({&out},
                     {unless_same(in, out), unless_same(added, out), pointer_to(factor), pointer_to(alive)});

    const InUse use(object->busy, "device");
    object->device->layers().gated_add_forward(rows_of(in), rows_of(added), parameter_of(factor),
                                               integers_of(alive), rows_of(out));
  });
}

lvx_status lvx_gated_add_backward(lvx_device device, const lvx_tensor* branch, const lvx_tensor* gate,
                                  const lvx_tensor* live, const lvx_tensor* dy, const lvx_tensor* dbranch,
                                  const lvx_tensor* dgate) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor gradient = check_rows(dy, "dy", device_id);
    const OptionalTensor added = branch == nullptr && dgate == nullptr
                                     ? std::nullopt
                                     : OptionalTensor(check_like(branch, "branch", gradient, device_id));
    const OptionalTensor factor =
        if_given(gate, [&](auto* t) { return check_vector(t, "gate", 1, gradient.dtype, device_id); });
    const OptionalTensor alive = check_live(live, gradient, device_id);
    const CheckedTensor d_added = check_like(dbranch, "dbranch", gradient, device_id);
    if (gate == nullptr && dgate != nullptr) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "dgate", "expected null where gate is null, got a tensor");
    }
    const OptionalTensor d_factor =
        if_given(dgate, [&](auto* t) { return check_gradient(t, "dgate", {1}, gradient.dtype, device_id); });
    require_separate({&d_added, pointer_to(d_factor)}, {&gradient, pointer_to(factor), pointer_to(alive)});
    require_separate({&d_added}, {added ? unless_same(*added, d_added) : nullptr});
    if (d_factor) require_separate({&*d_factor}, {pointer_to(added)});

    const InUse use(object->busy, "device");
    object->device->layers().gated_add_backward(rows_of(added), parameter_of(factor), integers_of(alive),
                                                rows_of(gradient), rows_of(d_added), parameter_of(d_factor));
  });
}

lvx_status lvx_blend_forward(lvx_device device, const lvx_tensor* a, const lvx_tensor* b,
                             const lvx_tensor* gate, const lvx_tensor* live, const lvx_tensor* y) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor first = check_rows(a, "a", device_id);
    const CheckedTensor second = check_like(b, "b", first, device_id);
    const CheckedTensor share = check_vector(gate, "gate", first.shape[2], first.dtype, device_id);
    const OptionalTensor alive = check_live(live, first, device_id);
    const CheckedTensor out = check_like(y, "y", first, device_id);
    require_separate({&out}, {unless_same(first, out), unless_same(second, out), &share, pointer_to(alive)});

    const InUse use(object->busy, "device");
    object->device->layers().blend_forward(rows_of(first), rows_of(second), parameter_of(share),
                                           integers_of(alive), rows_of(out));
  });
}

lvx_status lvx_blend_backward(lvx_device device, const lvx_tensor* a, const lvx_tensor* b,
                              const lvx_tensor* gate, const lvx_tensor* live, const lvx_tensor* dy,
                              const lvx_tensor* da, const lvx_tensor* db, const lvx_tensor* dgate) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor first = check_rows(a, "a", device_id);
    const CheckedTensor second = check_like(b, "b", first, device_id);
    const CheckedTensor share = check_vector(gate, "gate", first.shape[2], first.dtype, device_id);
    const OptionalTensor alive = check_live(live, first, device_id);
    const CheckedTensor gradient = check_like(dy, "dy", first, device_id);
    const CheckedTensor d_first = check_like(da, "da", first, device_id);
    const CheckedTensor d_second = check_like(db, "db", first, device_id);
    const OptionalTensor d_share = if_given(
        dgate, [&](auto* t) { return check_gradient(t, "dgate", {first.shape[2]}, first.dtype, device_id); });
    require_separate({&d_first, &d_second, pointer_to(d_share)}, {&share, pointer_to(alive), &gradient});
    require_separate({&d_first}, {unless_same(first, d_first), &second});
    require_separate({&d_second}, {&first, unless_same(second, d_second)});
    if (d_share) require_separate({&*d_share}, {&first, &second});

    const InUse use(object->busy, "device");
    object->device->layers().blend_backward(rows_of(first), rows_of(second), parameter_of(share),
                                            integers_of(alive), rows_of(gradient), rows_of(d_first),
                                            rows_of(d_second), parameter_of(d_share));
  });
}

lvx_status lvx_add(lvx_device device, const lvx_tensor* x, const lvx_tensor* y) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor in = check_rows(x, "x", device_id);
    const CheckedTensor out = check_rows(y, "y", device_id);
    require_shape(out, {in.shape[0], in.shape[1], in.shape[2]}, "like x");
    require_dtype(out, {in.dtype, accumulator_of(in.dtype)}, "of x or its accumulator");
    require_separate({&out}, {&in});

    const InUse use(object->busy, "device");
    object->device->layers().add(rows_of(in), rows_of(out));
  });
}

lvx_status lvx_clear_rows(lvx_device device, const lvx_tensor* live, const lvx_tensor* x) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor rows = check_rows(x, "x", device_id);
    const CheckedTensor alive = check_row_integers(live, "live", rows, device_id);
    require_separate({&rows}, {&alive});

    const InUse use(object->busy, "device");
    object->device->layers().clear_rows(integers_of(alive), rows_of(rows));
  });
}
