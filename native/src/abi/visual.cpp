// SPDX-License-Identifier: Apache-2.0
// Attention over keys and values that are projected tile by tile.
#include <string>

#include "abi/attention_check.h"
#include "abi/error.h"
#include "abi/group_call.h"
#include "abi/layer_check.h"
#include "abi/overlap.h"
#include "abi/projection_check.h"
#include "abi/structs.h"
#include "recompute/visual_call.h"

using namespace lvx;

namespace {

lvx_visual_options read_visual_options(const lvx_visual_options* options) {
  const lvx_visual_options read = read_options(options, "options");
  require_finite_scale(read.scale, "options.scale");
  if (read.tile_rows < 1) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "options.tile_rows",
                        "expected 1 or more, got " + std::to_string(read.tile_rows));
  }
  return read;
}

// What forward and backward share, checked.
struct Inputs {
  CheckedTensor features;
  CheckedProjection projection;
  CheckedQueries queries;

  // Everything that is read, to be kept apart from what is written.
  std::vector<const CheckedTensor*> read() const {
    std::vector<const CheckedTensor*> pointers = pointers_to(projection.tensors);
    pointers.insert(pointers.end(),
                    {&features, &queries.q, pointer_to(queries.visibility), pointer_to(queries.bias)});
    return pointers;
  }
};

Inputs check_inputs(const lvx_visual_options& options, const lvx_projection* projection, const lvx_tensor* q,
                    const lvx_tensor* features, const QueryTensors& tensors, const DeviceId& device_id) {
  Inputs in;
  const CheckedTensor queries = check_q(q, device_id);
  in.features = check_features(features, device_id);
  require_dtype(in.features, {queries.dtype}, "like q");
  require_shape(in.features, {queries.shape[0], in.features.shape[1], in.features.shape[2]},
                "(batch like q)");
  in.projection = check_projection(projection, in.features, device_id);
  const Projection& of = in.projection.projection;
  require_head_groups(queries, of.key_heads, "projection.key_heads");
  if (of.head_dim != queries.shape[3]) {
    throw ArgumentError(
        LVX_INVALID_ARGUMENT, "projection.head_dim",
        "expected " + std::to_string(queries.shape[3]) + " like q, got " + std::to_string(of.head_dim));
  }
  in.queries = check_queries(queries, tensors, in.features.shape[1], of.key_heads, options.scale, device_id);
  return in;
}

// work(object, options, device_id, statistics) checks the rest and computes.
template <typename Work>
lvx_status visual(lvx_group group, Operation operation, const lvx_visual_options* options,
                  lvx_statistics* statistics, Work&& work) {
  return group_call(group, operation, [&](GroupObject& object) {
    const lvx_visual_options read = read_visual_options(options);
    Device& device = object.group.device();
    if (statistics != nullptr) check_result(statistics, "statistics");
    device.take_attention_backends_used();
    lvx_statistics counted{};
    counted.struct_size = sizeof(counted);
    work(object, read, DeviceId{device.kind(), device.ordinal()}, counted);
    counted.attention_backends = static_cast<std::int32_t>(device.take_attention_backends_used());
    if (statistics != nullptr) write_result(statistics, counted);
  });
}

}  // namespace

lvx_status lvx_visual_forward(lvx_group group, const lvx_visual_options* options,
                              const lvx_projection* projection, const lvx_tensor* q,
                              const lvx_tensor* features, const lvx_tensor* visibility,
                              const lvx_tensor* bias, const lvx_tensor* o, const lvx_tensor* lse,
                              lvx_statistics* statistics) {
  return visual(
      group, Operation::kVisualForward, options, statistics,
      [&](GroupObject& object, const lvx_visual_options& read, const DeviceId& device_id,
          lvx_statistics& counted) {
        const Inputs in = check_inputs(read, projection, q, features, {visibility, bias, o, lse}, device_id);
        const std::vector<const CheckedTensor*> outputs{&in.queries.o, &in.queries.lse};
        require_separate(outputs, in.read());
        const VisualForwardCall call{forward_of(in.queries), in.projection.projection, rows_of(in.features),
                                     read.tile_rows};
        const InUse use(object.tenancy.device().busy, "device");
        object.group.device().require_attention(forward_request(call.attention));
        visual_forward(object.group, call, &counted);
      });
}

lvx_status lvx_visual_backward(lvx_group group, const lvx_visual_options* options,
                               const lvx_projection* projection, const lvx_tensor* q,
                               const lvx_tensor* features, const lvx_tensor* visibility,
                               const lvx_tensor* bias, const lvx_tensor* o, const lvx_tensor* lse,
                               const lvx_tensor* d_o, const lvx_tensor* dq, const lvx_tensor* d_features,
                               const lvx_projection_gradients* gradients, const lvx_tensor* dbias,
                               lvx_statistics* statistics) {
  return visual(
      group, Operation::kVisualBackward, options, statistics,
      [&](GroupObject& object, const lvx_visual_options& read, const DeviceId& device_id,
          lvx_statistics& counted) {
        const Inputs in = check_inputs(read, projection, q, features, {visibility, bias, o, lse}, device_id);
        const CheckedQueryGradients of_queries = check_query_gradients(in.queries, d_o, dq, dbias, device_id);
        OptionalTensor d_in;
        if (d_features != nullptr) d_in = check_feature_gradient(d_features, in.features, device_id);
        const CheckedProjectionGradients sums =
            check_projection_gradients(gradients, in.projection, in.features.dtype, device_id);
        std::vector<const CheckedTensor*> outputs = pointers_to(sums.tensors);
        outputs.insert(outputs.end(), {&of_queries.dq, pointer_to(of_queries.dbias), pointer_to(d_in)});
        std::vector<const CheckedTensor*> inputs = in.read();
        inputs.insert(inputs.end(), {&in.queries.o, &in.queries.lse, &of_queries.d_o});
        require_separate(outputs, inputs);
        const VisualBackwardCall call{backward_of(in.queries, of_queries),
                                      in.projection.projection,
                                      rows_of(in.features),
                                      read.tile_rows,
                                      rows_of(d_in),
                                      sums.gradients};
        const InUse use(object.tenancy.device().busy, "device");
        object.group.device().require_attention(backward_request(call.attention));
        visual_backward(object.group, call, &counted);
      });
}
