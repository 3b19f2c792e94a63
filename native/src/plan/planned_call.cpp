// SPDX-License-Identifier: Apache-2.0
#include "plan/planned_call.h"

#include <memory>

#include "group/group.h"
#include "plan/recording_device.h"
#include "plan/recording_transport.h"
#include "recompute/visual_call.h"

namespace lvx {
namespace {

// One rank's tensors: a caller's extents and strides, at fictitious addresses.
class Tensors {
 public:
  Tensors(const PlannedCall& planned, int rank, RecordingDevice& device)
      : planned_(planned), shape_(planned.shape), device_(device) {
    const auto at = static_cast<std::size_t>(rank);
    shape_.queries = planned.queries[at];
    shape_.keys = planned.keys[at];
    if (planned.has_visibility()) ranges_ = planned.ranges[at];
  }

  ForwardCall forward() {
    ForwardCall call;
    set_shared(call);
    return call;
  }
  BackwardCall backward() {
    BackwardCall call;
    set_shared(call);
    call.d_o = queries();
    call.dq = queries();
    if (!planned_.is_visual()) call.dk = keys();
    if (!planned_.is_visual()) call.dv = keys();
    if (planned_.has_bias && planned_.bias.wants_gradient) call.d_bias = d_bias();
    return call;
  }
  VisualForwardCall visual_forward() {
    return {forward(), projection(), features(), planned_.projection.tile_rows};
  }
  VisualBackwardCall visual_backward() {
    VisualBackwardCall call{backward(), projection(), features(), planned_.projection.tile_rows, {}, {}};
    call.d_features = features();
    call.d_features.dtype = accumulator_of(planned_.dtype);
    const Projection& parameters = call.projection;
    call.gradients = {parameters.weight,
                      {},
                      parameters.value_weight,
                      {},
                      parameters.input_norm.weight,
                      parameters.input_norm.bias,
                      parameters.key_norm.weight};
    return call;
  }

 private:
  std::byte* place(std::int64_t elements, DType dtype) { return device_.place(elements * size_of(dtype)); }

  Bshd queries() {
    return compact_queries(place(shape_.query_elements(), planned_.dtype), planned_.dtype, shape_);
  }
  Bshd keys() { return compact_keys(place(shape_.key_elements(), planned_.dtype), planned_.dtype, shape_); }
  // Queries that are every second row of a larger tensor.
  Bshd strided_queries() {
    Bshd q = queries();
    q.batch_stride *= 2;
    q.row_stride *= 2;
    return q;
  }
  Bhs row_values() {
    const DType accumulator = accumulator_of(planned_.dtype);
    return compact_row_values(place(shape_.rows(), accumulator), accumulator, shape_);
  }
  Bias bias() {
    const PlannedBias& planned = planned_.bias;
    const std::int64_t elements = planned.batch * planned.heads * planned.rows * shape_.keys;
    return compact_bias(place(elements, planned.dtype), planned.dtype, planned.batch, planned.heads,
                        planned.rows, shape_.keys);
  }
  Bias d_bias() {
    Bias gradient = bias();
    if (!planned_.strided_d_bias) return gradient;
    gradient.batch_stride *= 2;
    gradient.head_stride *= 2;
    gradient.row_stride *= 2;
    return gradient;
  }

  template <typename Call>
  void set_shared(Call& call) {
    call.shape = shape_;
    call.q = planned_.strided_q ? strided_queries() : queries();
    if (!planned_.is_visual()) call.k = keys();
    if (!planned_.is_visual()) call.v = keys();
    call.o = queries();
    call.lse = row_values();
    if (planned_.has_bias && !planned_.plain_lse) call.lse_terms = {row_values(), row_values()};
    if (planned_.has_visibility()) {
      call.visibility = compact_visibility(place(shape_.batch * shape_.queries * ranges_ * 2, DType::kInt32),
                                           shape_.batch, shape_.queries, ranges_);
    }
    if (planned_.has_bias) call.bias = bias();
    call.strategy = planned_.strategy;
  }

  Rows features() {
    const std::int64_t width = planned_.projection.width;
    return {place(shape_.batch * shape_.keys * width, planned_.dtype),
            planned_.dtype,
            shape_.batch,
            shape_.keys,
            width,
            shape_.keys * width,
            width};
  }
  Parameter parameter(std::int64_t rows, std::int64_t width) {
    return {place(rows * width, planned_.dtype), planned_.dtype, rows, width, width};
  }
  Projection projection() {
    const PlannedProjection& planned = planned_.projection;
    Projection made;
    made.width = planned.width;
    made.key_heads = shape_.key_heads;
    made.head_dim = shape_.head_dim;
    made.layout = planned.layout;
    const bool separate = planned.layout == LVX_KEY_VALUE_SEPARATE;
    made.weight = parameter((separate ? 1 : 2) * made.key_width(), planned.width);
    if (separate) made.value_weight = parameter(made.key_width(), planned.width);
    made.input_norm.kind = planned.input_norm;
    if (planned.input_norm != LVX_NORM_NONE) made.input_norm.weight = parameter(1, planned.width);
    if (planned.input_norm == LVX_NORM_LAYER) made.input_norm.bias = parameter(1, planned.width);
    made.key_norm.kind = planned.key_norm;
    if (planned.key_norm != LVX_NORM_NONE) made.key_norm.weight = parameter(1, shape_.head_dim);
    made.rotary = planned.rotary;
    if (planned.rotary) {
      made.positions = {
          reinterpret_cast<const std::int32_t*>(place(shape_.batch * shape_.keys, DType::kInt32)),
          shape_.keys, 1};
    }
    return made;
  }

  const PlannedCall& planned_;
  ProblemShape shape_;
  RecordingDevice& device_;
  std::int64_t ranges_ = 0;
};

}  // namespace

void plan_rank(const PlannedCall& planned, int rank, Device* scratch, Steps& steps,
               lvx_statistics* statistics) {
  const auto device = std::make_shared<RecordingDevice>(planned, scratch, steps);
  GroupOptions options;
  options.ranks_per_node = planned.ranks_per_node;
  options.recorder_entries = 1;
  Group group(std::make_unique<RecordingTransport>(planned, rank, steps), device, options);
  Tensors tensors(planned, rank, *device);
  switch (planned.operation) {
    case Operation::kForward:
      return attention_forward(group, tensors.forward(), statistics);
    case Operation::kBackward:
      return attention_backward(group, tensors.backward(), statistics);
    case Operation::kVisualForward:
      return visual_forward(group, tensors.visual_forward(), statistics);
    case Operation::kVisualBackward:
      return visual_backward(group, tensors.visual_backward(), statistics);
    case Operation::kBarrier:
    case Operation::kAllGather:
    case Operation::kAllReduce:
      break;
  }
  throw Error(LVX_INTERNAL, "only attention is planned");
}

}  // namespace lvx
