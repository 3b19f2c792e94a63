// SPDX-License-Identifier: Apache-2.0
// Valid calls with random small shapes, of projections and of attention over projected keys.
#pragma once

#include "fuzz_calls.h"

namespace lvx::test {

struct VisualSizes {
  std::int64_t batch, rows, queries, key_heads, query_heads, dim, width;
  DType dtype, parameters, gradients;
  bool separate;

  explicit VisualSizes(Dice& dice)
      : batch(dice.between(1, 2)),
        rows(dice.between(1, 5)),
        queries(dice.between(1, 3)),
        key_heads(dice.between(1, 2)),
        query_heads(key_heads * dice.between(1, 2)),
        dim(8 * dice.between(1, 2)),
        width(dice.between(1, 9)),
        dtype(dice.one_of({DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16})),
        parameters(dice.one_in(2) ? dtype : accumulator_of(dtype)),
        gradients(accumulator_of(dtype)),
        separate(dice.one_in(2)) {}

  std::int64_t outputs() const { return (separate ? 1 : 2) * key_heads * dim; }
};

// The projection struct of a call, from the arguments that add_projection added, beginning at first.
inline lvx_projection projection_of(const TensorCall& call, const VisualSizes& n, std::size_t first) {
  lvx_projection projection{};
  projection.struct_size = sizeof(projection);
  projection.key_heads = static_cast<std::int32_t>(n.key_heads);
  projection.head_dim = static_cast<std::int32_t>(n.dim);
  projection.layout = n.separate ? LVX_KEY_VALUE_SEPARATE : LVX_KEY_VALUE_INTERLEAVED;
  projection.input_norm = LVX_NORM_LAYER;
  projection.key_norm = LVX_NORM_RMS;
  projection.rotary = 1;
  projection.input_epsilon = projection.key_epsilon = 1e-5;
  projection.theta = 1e4;
  projection.weight = call.at(first);
  projection.bias = call.at(first + 1);
  projection.value_weight = call.at(first + 2);
  projection.input_weight = call.at(first + 3);
  projection.input_bias = call.at(first + 4);
  projection.key_weight = call.at(first + 5);
  projection.positions = call.at(first + 6);
  return projection;
}

inline void add_projection(TensorCall& call, const VisualSizes& n) {
  call.add("weight", n.parameters, {n.outputs(), n.width});
  call.add("projection bias", n.parameters, {n.outputs()});
  call.arguments.back().optional = true;
  if (n.separate) {
    call.add("value_weight", n.parameters, {n.outputs(), n.width});
  } else {
    call.add_absent("value_weight");
  }
  call.add("input_weight", n.parameters, {n.width});
  call.add("input_bias", n.parameters, {n.width});
  call.add("key_weight", n.parameters, {n.dim});
  call.add("positions", DType::kInt32, {n.batch, n.rows});
}

// The gradients of the arguments that add_projection added.
inline lvx_projection_gradients gradients_of(const TensorCall& call, std::size_t first) {
  lvx_projection_gradients gradients{};
  gradients.struct_size = sizeof(gradients);
  gradients.weight = call.at(first);
  gradients.bias = call.at(first + 1);
  gradients.value_weight = call.at(first + 2);
  gradients.input_weight = call.at(first + 3);
  gradients.input_bias = call.at(first + 4);
  gradients.key_weight = call.at(first + 5);
  return gradients;
}

inline void add_gradients(TensorCall& call, const VisualSizes& n) {
  const auto add = [&](const char* name, std::initializer_list<std::int64_t> shape) {
    call.add(name, n.gradients, shape, true);
    call.arguments.back().optional = true;
  };
  add("d_weight", {n.outputs(), n.width});
  call.add_absent("d_bias");
  if (n.separate) {
    add("d_value_weight", {n.outputs(), n.width});
  } else {
    call.add_absent("d_value_weight");
  }
  add("d_input_weight", {n.width});
  add("d_input_bias", {n.width});
  add("d_key_weight", {n.dim});
}

// Like the call's options, valid or not.
inline lvx_visual_options visual_options_of(const TensorCall& call) {
  const lvx_attention_options& from = call.options;
  const std::uint64_t shorter = sizeof(lvx_attention_options) - sizeof(lvx_visual_options);
  lvx_visual_options options{};
  options.struct_size = from.struct_size > 8 && from.struct_size <= sizeof(from) ? from.struct_size - shorter
                                                                                 : from.struct_size;
  options.scale = from.scale;
  options.tile_rows = from.strategy == LVX_QUERY_RING ? 2 : -1;
  return options;
}

inline void add_project_call(TensorCall& call, Dice& dice, const VisualSizes& n) {
  switch (dice.between(0, 2)) {
    case 0:
      call.function = "lvx_project_forward";
      add_projection(call, n);
      call.add("features", n.dtype, {n.batch, n.rows, n.width});
      call.add("raw_k", n.dtype, {n.batch, n.rows, n.key_heads, n.dim}, true);
      call.add("v", n.dtype, {n.batch, n.rows, n.key_heads, n.dim}, true);
      call.call = [n](TensorCall& c) {
        const lvx_projection projection = projection_of(c, n, 0);
        return lvx_project_forward(c.handle, &projection, c.at(7), c.at(8), c.at(9));
      };
      break;
    case 1:
      call.function = "lvx_project_keys";
      call.add("raw_k", n.dtype, {n.batch, n.rows, n.key_heads, n.dim});
      call.add("key_weight", n.parameters, {n.dim});
      call.add("positions", DType::kInt32, {n.batch, n.rows});
      call.add("k", n.dtype, {n.batch, n.rows, n.key_heads, n.dim}, true);
      call.call = [n](TensorCall& c) {
        lvx_projection projection{};
        projection.struct_size = sizeof(projection);
        projection.key_heads = static_cast<std::int32_t>(n.key_heads);
        projection.head_dim = static_cast<std::int32_t>(n.dim);
        projection.key_norm = LVX_NORM_RMS;
        projection.key_epsilon = 1e-5;
        projection.rotary = 1;
        projection.theta = 1e4;
        projection.key_weight = c.at(1);
        projection.positions = c.at(2);
        return lvx_project_keys(c.handle, &projection, c.at(0), c.at(3));
      };
      break;
    default:
      call.function = "lvx_project_backward";
      add_projection(call, n);
      call.add("features", n.dtype, {n.batch, n.rows, n.width});
      call.add("raw_k", n.dtype, {n.batch, n.rows, n.key_heads, n.dim});
      call.add("dk", n.gradients, {n.batch, n.rows, n.key_heads, n.dim});
      call.add("dv", n.dtype, {n.batch, n.rows, n.key_heads, n.dim});
      call.add("d_features", n.gradients, {n.batch, n.rows, n.width}, true);
      call.arguments.back().optional = true;
      add_gradients(call, n);
      call.call = [n](TensorCall& c) {
        const lvx_projection projection = projection_of(c, n, 0);
        const lvx_projection_gradients gradients = gradients_of(c, 12);
        return lvx_project_backward(c.handle, &projection, c.at(7), c.at(8), c.at(9), c.at(10), c.at(11),
                                    &gradients);
      };
      break;
  }
}

inline void add_visual_call(TensorCall& call, Dice& dice, const VisualSizes& n) {
  const bool forward = dice.one_in(2);
  add_projection(call, n);
  call.add("q", n.dtype, {n.batch, n.queries, n.query_heads, n.dim});
  call.add("features", n.dtype, {n.batch, n.rows, n.width});
  call.add("bias", n.dtype, {1, 1, 1, n.rows});
  call.arguments.back().optional = true;
  call.add("o", n.dtype, {n.batch, n.queries, n.query_heads, n.dim}, forward);
  if (dice.one_in(2)) {
    call.add("lse", n.gradients, {3, n.batch, n.query_heads, n.queries}, forward);
  } else {
    call.add("lse", n.gradients, {n.batch, n.query_heads, n.queries}, forward);
  }
  if (forward) {
    call.function = "lvx_visual_forward";
    call.call = [n](TensorCall& c) {
      const lvx_projection projection = projection_of(c, n, 0);
      const lvx_visual_options options = visual_options_of(c);
      return lvx_visual_forward(c.handle, c.options_pointer == nullptr ? nullptr : &options, &projection,
                                c.at(7), c.at(8), nullptr, c.at(9), c.at(10), c.at(11), &c.statistics);
    };
    return;
  }
  call.function = "lvx_visual_backward";
  call.add("d_o", n.dtype, {n.batch, n.queries, n.query_heads, n.dim});
  call.add("dq", n.dtype, {n.batch, n.queries, n.query_heads, n.dim}, true);
  call.add("d_features", n.gradients, {n.batch, n.rows, n.width}, true);
  call.arguments.back().optional = true;
  call.add("dbias", n.dtype, {1, 1, 1, n.rows}, true);
  call.arguments.back().optional = true;
  add_gradients(call, n);
  call.call = [n](TensorCall& c) {
    const lvx_projection projection = projection_of(c, n, 0);
    const lvx_projection_gradients gradients = gradients_of(c, 16);
    const lvx_visual_options options = visual_options_of(c);
    return lvx_visual_backward(c.handle, c.options_pointer == nullptr ? nullptr : &options, &projection,
                               c.at(7), c.at(8), nullptr, c.at(9), c.at(10), c.at(11), c.at(12), c.at(13),
                               c.at(14), &gradients, c.at(15), &c.statistics);
  };
}

inline TensorCall random_visual_call(Dice& dice, lvx_device device, lvx_group group) {
  TensorCall call;
  const VisualSizes n(dice);
  call.options.struct_size = sizeof(call.options);
  call.options.scale = 0.5;
  call.options.strategy = LVX_QUERY_RING;
  call.statistics.struct_size = sizeof(call.statistics);
  if (dice.one_in(2)) {
    call.handle = device;
    add_project_call(call, dice, n);
  } else {
    call.handle = group;
    add_visual_call(call, dice, n);
  }
  forget_some_strides(call, dice);
  return call;
}

}  // namespace lvx::test
