// SPDX-License-Identifier: Apache-2.0
// Valid calls of layer operations with random small shapes.
#pragma once

#include "fuzz_calls.h"

namespace lvx::test {

struct LayerSizes {
  std::int64_t batch, rows, heads, width, out;
  DType dtype, parameters, gradients;

  explicit LayerSizes(Dice& dice)
      : batch(dice.between(1, 2)),
        rows(dice.between(1, 4)),
        heads(dice.between(1, 3)),
        width(2 * dice.between(1, 9)),
        out(dice.between(1, 9)),
        dtype(dice.one_of({DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16})),
        parameters(dice.one_in(2) ? dtype : accumulator_of(dtype)),
        gradients(accumulator_of(dtype)) {}
};

inline void add_linear(TensorCall& call, Dice& dice, const LayerSizes& n) {
  if (dice.one_in(2)) {
    call.function = "lvx_linear_forward";
    call.add("x", n.dtype, {n.batch, n.rows, n.width});
    call.add("w", n.parameters, {n.out, n.width});
    call.add("b", n.parameters, {n.out});
    call.arguments.back().optional = true;
    call.add("y", n.dtype, {n.batch, n.rows, n.out}, true);
    call.call = [](TensorCall& c) {
      return lvx_linear_forward(c.handle, c.at(0), c.at(1), c.at(2), c.at(3));
    };
    return;
  }
  call.function = "lvx_linear_backward";
  call.add("x", n.dtype, {n.batch, n.rows, n.width});
  call.add("w", n.parameters, {n.out, n.width});
  call.add("dy", n.dtype, {n.batch, n.rows, n.out});
  call.add("dx", n.dtype, {n.batch, n.rows, n.width}, true);
  call.add("dw", n.gradients, {n.out, n.width}, true);
  call.add("db", n.gradients, {n.out}, true);
  for (std::size_t i = 3; i < 6; ++i) call.arguments[i].optional = true;
  call.call = [](TensorCall& c) {
    return lvx_linear_backward(c.handle, c.at(0), c.at(1), c.at(2), c.at(3), 1, c.at(4), c.at(5));
  };
}

inline void add_norm(TensorCall& call, Dice& dice, const LayerSizes& n) {
  if (dice.one_in(2)) {
    call.function = "lvx_norm_forward";
    call.add("x", n.dtype, {n.batch, n.rows, n.heads, n.width});
    call.add("weight", n.parameters, {n.width});
    call.add("bias", n.parameters, {n.width});
    call.arguments.back().optional = true;
    call.add("y", n.dtype, {n.batch, n.rows, n.heads, n.width}, true);
    call.call = [](TensorCall& c) {
      return lvx_norm_forward(c.handle, LVX_NORM_LAYER, 1e-5, c.at(0), c.at(1), c.at(2), c.at(3));
    };
    return;
  }
  call.function = "lvx_norm_backward";
  call.add("x", n.dtype, {n.batch, n.rows, n.width});
  call.add("weight", n.parameters, {n.width});
  call.add("dy", n.dtype, {n.batch, n.rows, n.width});
  call.add("dx", n.dtype, {n.batch, n.rows, n.width}, true);
  call.add("dweight", n.gradients, {n.width}, true);
  call.add("dbias", n.gradients, {n.width}, true);
  for (std::size_t i = 3; i < 6; ++i) call.arguments[i].optional = true;
  call.call = [](TensorCall& c) {
    return lvx_norm_backward(c.handle, LVX_NORM_LAYER, 1e-5, c.at(0), c.at(1), c.at(2), c.at(3), 0, c.at(4),
                             c.at(5));
  };
}

inline void add_rotary(TensorCall& call, const LayerSizes& n) {
  call.function = "lvx_rotary";
  call.add("x", n.dtype, {n.batch, n.rows, n.heads, n.width});
  call.add("positions", DType::kInt32, {n.batch, n.rows});
  call.add("y", n.dtype, {n.batch, n.rows, n.heads, n.width}, true);
  call.call = [](TensorCall& c) { return lvx_rotary(c.handle, 1e4, 0, c.at(0), c.at(1), c.at(2)); };
}

inline void add_activation(TensorCall& call, Dice& dice, const LayerSizes& n) {
  const auto rows = [&](const char* name, bool output = false) {
    call.add(name, n.dtype, {n.batch, n.rows, n.width}, output);
  };
  switch (dice.between(0, 3)) {
    case 0:
      call.function = "lvx_swiglu_forward";
      rows("gate");
      rows("up");
      rows("y", true);
      call.call = [](TensorCall& c) { return lvx_swiglu_forward(c.handle, c.at(0), c.at(1), c.at(2)); };
      break;
    case 1:
      call.function = "lvx_swiglu_backward";
      rows("gate");
      rows("up");
      rows("dy");
      rows("dgate", true);
      rows("dup", true);
      call.call = [](TensorCall& c) {
        return lvx_swiglu_backward(c.handle, c.at(0), c.at(1), c.at(2), c.at(3), c.at(4));
      };
      break;
    case 2:
      call.function = "lvx_gelu_forward";
      rows("x");
      rows("y", true);
      call.call = [](TensorCall& c) { return lvx_gelu_forward(c.handle, c.at(0), c.at(1)); };
      break;
    default:
      call.function = "lvx_gelu_backward";
      rows("x");
      rows("dy");
      rows("dx", true);
      call.call = [](TensorCall& c) { return lvx_gelu_backward(c.handle, c.at(0), c.at(1), c.at(2)); };
      break;
  }
}

inline void add_join(TensorCall& call, Dice& dice, const LayerSizes& n) {
  const auto rows = [&](const char* name, bool output = false) {
    call.add(name, n.dtype, {n.batch, n.rows, n.width}, output);
  };
  const auto live = [&] {
    call.add("live", DType::kInt32, {n.batch, n.rows});
    call.arguments.back().optional = true;
  };
  switch (dice.between(0, 4)) {
    case 0:
      call.function = "lvx_gated_add_forward";
      rows("x");
      rows("branch");
      call.add("gate", n.parameters, {1});
      call.arguments.back().optional = true;
      live();
      rows("y", true);
      call.call = [](TensorCall& c) {
        return lvx_gated_add_forward(c.handle, c.at(0), c.at(1), c.at(2), c.at(3), c.at(4));
      };
      break;
    case 1:
      call.function = "lvx_gated_add_backward";
      rows("branch");
      call.add("gate", n.parameters, {1});
      live();
      rows("dy");
      rows("dbranch", true);
      call.add("dgate", n.gradients, {1}, true);
      call.arguments.back().optional = true;
      call.call = [](TensorCall& c) {
        return lvx_gated_add_backward(c.handle, c.at(0), c.at(1), c.at(2), c.at(3), c.at(4), c.at(5));
      };
      break;
    case 2:
      call.function = "lvx_blend_forward";
      rows("a");
      rows("b");
      call.add("gate", n.parameters, {n.width});
      live();
      rows("y", true);
      call.call = [](TensorCall& c) {
        return lvx_blend_forward(c.handle, c.at(0), c.at(1), c.at(2), c.at(3), c.at(4));
      };
      break;
    case 3:
      call.function = "lvx_blend_backward";
      rows("a");
      rows("b");
      call.add("gate", n.parameters, {n.width});
      live();
      rows("dy");
      rows("da", true);
      rows("db", true);
      call.add("dgate", n.gradients, {n.width}, true);
      call.arguments.back().optional = true;
      call.call = [](TensorCall& c) {
        return lvx_blend_backward(c.handle, c.at(0), c.at(1), c.at(2), c.at(3), c.at(4), c.at(5), c.at(6),
                                  c.at(7));
      };
      break;
    default:
      call.function = "lvx_add";
      rows("x");
      call.add("y", n.gradients, {n.batch, n.rows, n.width}, true);
      call.call = [](TensorCall& c) { return lvx_add(c.handle, c.at(0), c.at(1)); };
      break;
  }
}

inline TensorCall random_layer_call(Dice& dice, lvx_device device) {
  TensorCall call;
  call.handle = device;
  const LayerSizes n(dice);
  switch (dice.between(0, 4)) {
    case 0:
      add_linear(call, dice, n);
      break;
    case 1:
      add_norm(call, dice, n);
      break;
    case 2:
      add_rotary(call, n);
      break;
    case 3:
      add_activation(call, dice, n);
      break;
    default:
      add_join(call, dice, n);
      break;
  }
  forget_some_strides(call, dice);
  return call;
}

}  // namespace lvx::test
