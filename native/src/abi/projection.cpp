// SPDX-License-Identifier: Apache-2.0
// Keys and values of visual features on one device.
#include "abi/error.h"
#include "abi/layer_check.h"
#include "abi/objects.h"
#include "abi/overlap.h"
#include "abi/projection_check.h"
#include "recompute/key_projection.h"
#include "recompute/shard_projection.h"

using namespace lvx;

namespace {

constexpr const char* kKeys = "[batch, rows, key heads, head dim]";

DeviceId device_id_of(const Device& device) { return {device.kind(), device.ordinal()}; }

// [batch, rows, key heads, head dim] of the features' dtype or its accumulator's.
CheckedTensor check_keys(const lvx_tensor* tensor, const char* name, const CheckedTensor& features,
                         const Projection& projection, bool accumulator, const DeviceId& device_id) {
  const CheckedTensor checked = check_tensor(tensor, name, 4, kKeys, device_id);
  require_shape(checked, {features.shape[0], features.shape[1], projection.key_heads, projection.head_dim},
                "[batch, rows of the features, key heads, head dim]");
  if (accumulator) {
    require_dtype(checked, {features.dtype, accumulator_of(features.dtype)},
                  "like the features or their accumulator");
  } else {
    require_dtype(checked, {features.dtype}, "like the features");
  }
  return checked;
}

std::vector<const CheckedTensor*> with(std::vector<const CheckedTensor*> pointers,
                                       std::initializer_list<const CheckedTensor*> more) {
  pointers.insert(pointers.end(), more);
  return pointers;
}

}  // namespace

lvx_status lvx_project_forward(lvx_device device, const lvx_projection* projection,
                               const lvx_tensor* features, const lvx_tensor* raw_k, const lvx_tensor* v) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor in = check_features(features, device_id);
    const CheckedProjection checked = check_projection(projection, in, device_id);
    const CheckedTensor keys = check_keys(raw_k, "raw_k", in, checked.projection, false, device_id);
    const CheckedTensor values = check_keys(v, "v", in, checked.projection, false, device_id);
    const std::vector<const CheckedTensor*> outputs{&keys, &values};
    require_separate(TensorPointers(outputs), with(pointers_to(checked.tensors), {&in}));
    const InUse use(object->busy, "device");
    project_forward(*object->device, checked.projection, rows_of(in), bshd_of(keys), bshd_of(values));
  });
}

lvx_status lvx_project_keys(lvx_device device, const lvx_projection* projection, const lvx_tensor* raw_k,
                            const lvx_tensor* k) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor raw = check_tensor(raw_k, "raw_k", 4, kKeys, device_id);
    require_dtype(raw, {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16}, "of keys");
    const CheckedProjection checked = check_key_finish(projection, raw, device_id);
    require_shape(raw,
                  {raw.shape[0], raw.shape[1], checked.projection.key_heads, checked.projection.head_dim},
                  "[batch, rows, key heads, head dim]");
    const CheckedTensor keys = check_tensor(k, "k", 4, kKeys, device_id);
    require_shape(keys, std::span(raw.shape).first(4), "like the raw keys");
    require_dtype(keys, {raw.dtype}, "like the raw keys");
    const std::vector<const CheckedTensor*> outputs{&keys};
    require_separate(TensorPointers(outputs), with(pointers_to(checked.tensors), {unless_same(raw, keys)}));
    const InUse use(object->busy, "device");
    finish_keys(*object->device, checked.projection, bshd_of(raw), checked.projection.positions,
                bshd_of(keys));
  });
}

lvx_status lvx_project_backward(lvx_device device, const lvx_projection* projection,
                                const lvx_tensor* features, const lvx_tensor* raw_k, const lvx_tensor* dk,
                                const lvx_tensor* dv, const lvx_tensor* d_features,
                                const lvx_projection_gradients* gradients) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const CheckedTensor in = check_features(features, device_id);
    const CheckedProjection checked = check_projection(projection, in, device_id);
    const Projection& of = checked.projection;
    const CheckedTensor raw = check_keys(raw_k, "raw_k", in, of, false, device_id);
    const CheckedTensor d_keys = check_keys(dk, "dk", in, of, true, device_id);
    const CheckedTensor d_values = check_keys(dv, "dv", in, of, true, device_id);
    OptionalTensor d_in;
    if (d_features != nullptr) d_in = check_feature_gradient(d_features, in, device_id);
    const CheckedProjectionGradients sums =
        check_projection_gradients(gradients, checked, in.dtype, device_id);
    require_separate(TensorPointers(with(pointers_to(sums.tensors), {pointer_to(d_in)})),
                     TensorPointers(with(pointers_to(checked.tensors), {&in, &raw, &d_keys, &d_values})));
    const InUse use(object->busy, "device");
    project_backward(*object->device, of, rows_of(in), bshd_of(raw), bshd_of(d_keys), bshd_of(d_values),
                     rows_of(d_in), sums.gradients);
  });
}
