// SPDX-License-Identifier: Apache-2.0
// Attention over a group, and its parts on one device.
#include "abi/attention_check.h"
#include "abi/device_id.h"
#include "abi/error.h"
#include "abi/group_call.h"
#include "abi/structs.h"

using namespace lvx;

namespace {

lvx_attention_options read_attention_options(const lvx_attention_options* options) {
  const lvx_attention_options read = read_options(options, "options");
  require_finite_scale(read.scale, "options.scale");
  if (read.strategy < LVX_QUERY_RING || read.strategy > LVX_TWO_LEVEL) {
    throw ArgumentError(
        LVX_INVALID_ARGUMENT, "options.strategy",
        "expected LVX_QUERY_RING (1) to LVX_TWO_LEVEL (6), got " + std::to_string(read.strategy));
  }
  require_zero(read.reserved, "options.reserved");
  return read;
}

// check(options, device_id) returns the checked call, request(call) what the device must support, and
// run(group, call, statistics) computes.
template <typename Check, typename Request, typename Run>
lvx_status attention(lvx_group group, Operation operation, const lvx_attention_options* options,
                     lvx_statistics* statistics, Check&& check, Request&& request, Run&& run) {
  return group_call(group, operation, [&](GroupObject& object) {
    const lvx_attention_options read = read_attention_options(options);
    auto call = check(read, device_id_of(object.group.device()));
    call.strategy = static_cast<lvx_strategy>(read.strategy);
    if (statistics != nullptr) check_result(statistics, "statistics");
    const InUse use(object.tenancy.device().busy, "device");
    Device& device = object.group.device();
    device.require_attention(request(call));
    device.take_attention_backends_used();
    lvx_statistics counted{};
    counted.struct_size = sizeof(counted);
    run(object.group, call, &counted);
    counted.attention_backends = static_cast<std::int32_t>(device.take_attention_backends_used());
    if (statistics != nullptr) write_result(statistics, counted);
  });
}

}  // namespace

lvx_status lvx_attention_forward(lvx_group group, const lvx_attention_options* options, const lvx_tensor* q,
                                 const lvx_tensor* k, const lvx_tensor* v, const lvx_tensor* visibility,
                                 const lvx_tensor* bias, const lvx_tensor* o, const lvx_tensor* lse,
                                 lvx_statistics* statistics) {
  return attention(
      group, Operation::kForward, options, statistics,
      [&](const lvx_attention_options& read, const DeviceId& device_id) {
        return check_forward({q, k, v, visibility, bias, o, lse}, read.scale, device_id);
      },
      [](const ForwardCall& call) { return forward_request(call); }, attention_forward);
}

lvx_status lvx_attention_backward(lvx_group group, const lvx_attention_options* options, const lvx_tensor* q,
                                  const lvx_tensor* k, const lvx_tensor* v, const lvx_tensor* visibility,
                                  const lvx_tensor* bias, const lvx_tensor* o, const lvx_tensor* lse,
                                  const lvx_tensor* d_o, const lvx_tensor* dq, const lvx_tensor* dk,
                                  const lvx_tensor* dv, const lvx_tensor* dbias, lvx_statistics* statistics) {
  return attention(
      group, Operation::kBackward, options, statistics,
      [&](const lvx_attention_options& read, const DeviceId& device_id) {
        return check_backward({q, k, v, visibility, bias, o, lse, d_o, dq, dk, dv, dbias}, read.scale,
                              device_id);
      },
      [](const BackwardCall& call) { return backward_request(call); }, attention_backward);
}

lvx_status lvx_attention_merge(lvx_device device, const lvx_tensor* o_part, const lvx_tensor* lse_part,
                               const lvx_tensor* o, const lvx_tensor* lse) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const CheckedMerge checked = check_merge(o_part, lse_part, o, lse, device_id_of(*object->device));
    const InUse use(object->busy, "device");
    Device& into = *object->device;
    into.merge(checked.part, checked.into);
    if (checked.into.bias_max.data == nullptr) return;
    into.sum(checked.into.bias_max, checked.into.lse, checked.lse);
  });
}

lvx_status lvx_attention_delta(lvx_device device, const lvx_tensor* o, const lvx_tensor* d_o,
                               const lvx_tensor* delta) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const CheckedDelta checked = check_delta(o, d_o, delta, device_id_of(*object->device));
    const InUse use(object->busy, "device");
    object->device->delta(checked.o, checked.d_o, checked.delta);
  });
}
