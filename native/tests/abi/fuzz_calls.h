// SPDX-License-Identifier: Apache-2.0
// Valid calls with random small shapes, of every function that takes tensors.
#pragma once

#include <lvx/lvx.h>

#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "owned_tensor.h"
#include "support/seed.h"

namespace lvx::test {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seeded(seed)) {}

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  bool one_in(std::int64_t n) { return between(1, n) == 1; }
  std::uint64_t bits() { return random_(); }
  template <typename T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[between(0, static_cast<std::int64_t>(values.size()) - 1)];
  }

 private:
  std::mt19937_64 random_;
};

struct Argument {
  std::string name;
  bool output = false;
  bool optional = false;
  std::unique_ptr<OwnedTensor> tensor;  // null: an absent optional tensor
  const lvx_tensor* pointer = nullptr;
  std::vector<double> before;

  bool is_ranges() const { return name == "visibility"; }
  bool is_integers() const { return is_ranges() || name == "live" || name == "positions"; }
};

struct TensorCall {
  std::string function;
  std::uint64_t handle = 0;
  lvx_attention_options options{};
  const lvx_attention_options* options_pointer = nullptr;
  double scale = 0.5;
  lvx_statistics statistics{};
  std::vector<Argument> arguments;
  std::function<lvx_status(TensorCall&)> call;

  const lvx_tensor* at(std::size_t i) const { return arguments[i].pointer; }

  lvx_status run() { return call(*this); }

  void add(const char* name, DType dtype, std::initializer_list<std::int64_t> shape, bool output = false) {
    Argument argument;
    argument.name = name;
    argument.output = output;
    argument.tensor = std::make_unique<OwnedTensor>(dtype, shape);
    argument.pointer = &argument.tensor->tensor;
    if (output)
      std::memset(argument.tensor->memory.data(), 0x3A, argument.tensor->memory.size() * sizeof(double));
    arguments.push_back(std::move(argument));
  }
  void add_absent(const char* name) {
    Argument argument;
    argument.name = name;
    argument.optional = true;
    arguments.push_back(std::move(argument));
  }

  void remember() {
    for (Argument& argument : arguments) {
      if (argument.tensor) argument.before = argument.tensor->memory;
    }
  }
  // The name of an argument whose memory has changed since then, or empty.
  std::string changed() const {
    for (const Argument& argument : arguments) {
      if (argument.tensor && std::memcmp(argument.before.data(), argument.tensor->memory.data(),
                                         argument.before.size() * sizeof(double)) != 0) {
        return argument.name;
      }
    }
    return "";
  }
};

struct Sizes {
  std::int64_t batch, queries, keys, key_heads, query_heads, dim;

  explicit Sizes(Dice& dice)
      : batch(dice.between(1, 2)),
        queries(dice.between(1, 4)),
        keys(dice.between(1, 5)),
        key_heads(dice.between(1, 2)),
        query_heads(key_heads * dice.between(1, 2)),
        dim(8 * dice.between(1, 2)) {}
};

// lse alone, or lse with its terms.
inline void add_lse(TensorCall& call, const char* name, const Sizes& n, DType dtype, bool with_terms,
                    bool output) {
  if (with_terms) {
    call.add(name, accumulator_of(dtype), {3, n.batch, n.query_heads, n.queries}, output);
  } else {
    call.add(name, accumulator_of(dtype), {n.batch, n.query_heads, n.queries}, output);
  }
}

inline void add_inputs(TensorCall& call, Dice& dice, const Sizes& n, DType dtype, bool results_are_outputs,
                       std::int64_t* bias_shape) {
  call.add("q", dtype, {n.batch, n.queries, n.query_heads, n.dim});
  call.add("k", dtype, {n.batch, n.keys, n.key_heads, n.dim});
  call.add("v", dtype, {n.batch, n.keys, n.key_heads, n.dim});
  if (dice.one_in(2)) {
    const std::int64_t ranges = dice.between(1, 3);
    call.add("visibility", DType::kInt32, {n.batch, n.queries, ranges, 2});
    auto* bounds = call.arguments.back().tensor->as<std::int32_t>();
    for (std::int64_t i = 0; i < n.batch * n.queries * ranges; ++i) {
      bounds[2 * i] = static_cast<std::int32_t>(2 * (i % ranges));
      bounds[2 * i + 1] = bounds[2 * i] + 1;
    }
    call.arguments.back().optional = true;
  } else {
    call.add_absent("visibility");
  }
  if (dice.one_in(2)) {
    bias_shape[0] = dice.one_in(2) ? 1 : n.batch;
    bias_shape[1] = dice.one_in(2) ? 1 : n.query_heads;
    bias_shape[2] = dice.one_in(2) ? 1 : n.queries;
    bias_shape[3] = n.keys;
    const DType bias_dtype = dtype != DType::kFloat64 && dice.one_in(2) ? DType::kFloat32 : dtype;
    call.add("bias", bias_dtype, {bias_shape[0], bias_shape[1], bias_shape[2], bias_shape[3]});
    call.arguments.back().optional = true;
  } else {
    call.add_absent("bias");
  }
  call.add("o", dtype, {n.batch, n.queries, n.query_heads, n.dim}, results_are_outputs);
  add_lse(call, "lse", n, dtype, dice.one_in(2), results_are_outputs);
}

inline void add_gradients(TensorCall& call, Dice& dice, const Sizes& n, DType dtype,
                          const std::int64_t* bias_shape) {
  call.add("d_o", dtype, {n.batch, n.queries, n.query_heads, n.dim});
  call.add("dq", dtype, {n.batch, n.queries, n.query_heads, n.dim}, true);
  call.add("dk", dtype, {n.batch, n.keys, n.key_heads, n.dim}, true);
  call.add("dv", dtype, {n.batch, n.keys, n.key_heads, n.dim}, true);
  const Argument& bias = call.arguments[4];
  if (bias.tensor && dice.one_in(2)) {
    const std::int64_t bias_bits = bias.tensor->tensor.dtype.bits;
    const DType bias_dtype = bias_bits == 8 * size_of(dtype) ? dtype : DType::kFloat32;
    call.add("dbias", bias_dtype, {bias_shape[0], bias_shape[1], bias_shape[2], bias_shape[3]}, true);
    call.arguments.back().optional = true;
  } else {
    call.add_absent("dbias");
  }
}

// Strides are optional for contiguous tensors.
inline void forget_some_strides(TensorCall& call, Dice& dice) {
  for (Argument& argument : call.arguments) {
    if (argument.tensor && dice.one_in(4)) argument.tensor->tensor.strides = nullptr;
  }
}

inline TensorCall random_tensor_call(Dice& dice, lvx_device device, lvx_group group) {
  TensorCall call;
  const Sizes n(dice);
  DType dtype = dice.one_of({DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16});
  std::int64_t bias_shape[4] = {};
  call.options.struct_size = sizeof(call.options);
  call.options.scale = 0.5;
  call.options.strategy = LVX_QUERY_RING;
  call.statistics.struct_size = sizeof(call.statistics);
  const bool with_terms = dice.one_in(2);
  switch (dice.between(0, 5)) {
    case 0:
      call.function = "lvx_attention_forward";
      call.handle = group;
      add_inputs(call, dice, n, dtype, true, bias_shape);
      call.call = [](TensorCall& c) {
        return lvx_attention_forward(c.handle, c.options_pointer, c.at(0), c.at(1), c.at(2), c.at(3), c.at(4),
                                     c.at(5), c.at(6), &c.statistics);
      };
      break;
    case 1:
      call.function = "lvx_attention_backward";
      call.handle = group;
      add_inputs(call, dice, n, dtype, false, bias_shape);
      add_gradients(call, dice, n, dtype, bias_shape);
      call.call = [](TensorCall& c) {
        return lvx_attention_backward(c.handle, c.options_pointer, c.at(0), c.at(1), c.at(2), c.at(3),
                                      c.at(4), c.at(5), c.at(6), c.at(7), c.at(8), c.at(9), c.at(10),
                                      c.at(11), &c.statistics);
      };
      break;
    case 2:
      call.function = "lvx_attention_merge";
      call.handle = device;
      call.add("o_part", dtype, {n.batch, n.queries, n.query_heads, n.dim});
      add_lse(call, "lse_part", n, dtype, with_terms && dice.one_in(2), false);
      call.add("o", dtype, {n.batch, n.queries, n.query_heads, n.dim}, true);
      add_lse(call, "lse", n, dtype, with_terms, true);
      call.call = [](TensorCall& c) {
        return lvx_attention_merge(c.handle, c.at(0), c.at(1), c.at(2), c.at(3));
      };
      break;
    case 3:
      call.function = "lvx_attention_delta";
      call.handle = device;
      call.add("o", dtype, {n.batch, n.queries, n.query_heads, n.dim});
      call.add("d_o", dtype, {n.batch, n.queries, n.query_heads, n.dim});
      call.add("delta", accumulator_of(dtype), {n.batch, n.query_heads, n.queries}, true);
      call.call = [](TensorCall& c) { return lvx_attention_delta(c.handle, c.at(0), c.at(1), c.at(2)); };
      break;
    case 4:
      call.function = "lvx_reference_forward";
      dtype = DType::kFloat64;
      add_inputs(call, dice, n, dtype, true, bias_shape);
      call.call = [](TensorCall& c) {
        return lvx_reference_forward(c.scale, c.at(0), c.at(1), c.at(2), c.at(3), c.at(4), c.at(5), c.at(6));
      };
      break;
    default:
      call.function = "lvx_reference_backward";
      dtype = DType::kFloat64;
      add_inputs(call, dice, n, dtype, false, bias_shape);
      add_gradients(call, dice, n, dtype, bias_shape);
      call.call = [](TensorCall& c) {
        return lvx_reference_backward(c.scale, c.at(0), c.at(1), c.at(2), c.at(3), c.at(4), c.at(5), c.at(6),
                                      c.at(7), c.at(8), c.at(9), c.at(10), c.at(11));
      };
      break;
  }
  forget_some_strides(call, dice);
  return call;
}

}  // namespace lvx::test
