// SPDX-License-Identifier: Apache-2.0
// Ways to corrupt one tensor of a valid call, so that the call is certainly invalid.
#pragma once

#include <algorithm>

#include "fuzz_calls.h"

namespace lvx::test {

inline void spoil_dtype(Argument& argument, Dice& dice) {
  lvx_dl_dtype& dtype = argument.tensor->tensor.dtype;
  switch (dice.between(0, 3)) {
    case 0:
      dtype.code = dice.one_of<std::uint8_t>({1, 3, 5, 6, 255});
      break;
    case 1:
      dtype.bits = dice.one_of<std::uint8_t>({0, 1, 8, 63, 128, 255});
      break;
    case 2:
      dtype.lanes = dice.one_of<std::uint16_t>({0, 2, 65535});
      break;
    default:
      dtype = dl_dtype_of(argument.is_integers() ? DType::kFloat32 : DType::kInt32);
      break;
  }
}

inline void spoil_device(Argument& argument, Dice& dice) {
  lvx_dl_device& device = argument.tensor->tensor.device;
  if (dice.one_in(2)) {
    device.device_type = dice.one_of({0, -1, 2, 4, 13});  // 3 is host memory
  } else {
    device.device_id = dice.one_of({-1, 1, std::numeric_limits<std::int32_t>::max()});
  }
}

inline void spoil_shape(Argument& argument, Dice& dice) {
  std::vector<std::int64_t>& shape = argument.tensor->shape;
  const auto last = static_cast<std::int64_t>(shape.size()) - 1;
  auto dim = static_cast<std::size_t>(dice.between(0, last));
  const bool any_count_of_ranges = argument.is_ranges() && dim == 2;
  // One more could be a valid broadcast that exceeds the memory.
  const bool may_broadcast = argument.name == "bias" && dim < 3;
  switch (dice.between(0, 2)) {
    case 0:
      shape[dim] = dice.one_of<std::int64_t>({-1, -7, std::numeric_limits<std::int64_t>::min()});
      break;
    case 1:
      shape[dim] = dice.one_of<std::int64_t>(
          {std::int64_t{1} << 48, std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::max()});
      break;
    default:
      if (any_count_of_ranges || may_broadcast) {
        shape[dim] = -3;
      } else {
        shape[dim] += dice.one_of<std::int64_t>({1, -shape[dim]});
      }
      break;
  }
}

inline void spoil_strides(Argument& argument, Dice& dice) {
  OwnedTensor& owned = *argument.tensor;
  owned.tensor.strides = owned.strides.data();
  std::vector<std::size_t> wide;
  for (std::size_t dim = 0; dim < owned.shape.size(); ++dim) {
    if (owned.shape[dim] > 1) wide.push_back(dim);
  }
  const auto any =
      static_cast<std::size_t>(dice.between(0, static_cast<std::int64_t>(owned.shape.size()) - 1));
  if (wide.empty() || dice.one_in(3)) {
    owned.strides[any] = dice.one_of<std::int64_t>({-1, -8, std::numeric_limits<std::int64_t>::min()});
    return;
  }
  const std::size_t dim =
      wide[static_cast<std::size_t>(dice.between(0, static_cast<std::int64_t>(wide.size()) - 1))];
  if (dim + 1 == owned.shape.size()) {
    owned.strides[dim] = dice.one_of<std::int64_t>({0, 2, 16});
  } else if (argument.output && dice.one_in(2)) {
    owned.strides[dim] = 0;
  } else {
    owned.strides[dim] = dice.one_of<std::int64_t>(
        {std::int64_t{1} << 48, std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::max()});
  }
}

inline void spoil_address(Argument& argument, Dice& dice) {
  lvx_tensor& tensor = argument.tensor->tensor;
  switch (dice.between(0, 2)) {
    case 0:
      tensor.data = nullptr;
      tensor.byte_offset = 0;
      break;
    case 1:
      tensor.byte_offset = 1;
      break;
    default:
      tensor.byte_offset = ~std::uint64_t{0} - 7;
      break;
  }
}

inline void spoil_ranges(Argument& argument, Dice& dice) {
  auto* bounds = argument.tensor->as<std::int32_t>();
  const std::vector<std::int64_t>& shape = argument.tensor->shape;
  const std::int64_t query = dice.between(0, shape[0] * shape[1] - 1);
  std::int32_t* ranges = bounds + query * shape[2] * 2;
  if (shape[2] > 1 && dice.one_in(2)) {
    ranges[1] = ranges[3] + 1;  // overlaps the next range
  } else {
    // A negative or inverted range.
    ranges[0] = dice.one_of({-1, std::numeric_limits<std::int32_t>::min(), ranges[1] + 1,
                             std::numeric_limits<std::int32_t>::max()});
  }
}

inline void spoil_overlap(TensorCall& call, Argument& output, Dice& dice) {
  std::vector<Argument*> others;
  for (Argument& argument : call.arguments) {
    if (&argument != &output && argument.tensor) others.push_back(&argument);
  }
  const Argument& other =
      *others[static_cast<std::size_t>(dice.between(0, static_cast<std::int64_t>(others.size()) - 1))];
  // Some outputs may be identical to an input, but none may overlap it partially.
  const bool like = other.tensor->shape == output.tensor->shape && output.tensor->shape.size() > 2;
  const bool single = std::all_of(output.tensor->shape.begin(), output.tensor->shape.end(),
                                  [](std::int64_t extent) { return extent == 1; });
  if (like && single) return spoil_address(output, dice);  // beside it is clear of it
  output.tensor->tensor.data = other.tensor->memory.data();
  if (like) output.tensor->tensor.byte_offset = output.tensor->tensor.dtype.bits / 8u;
}

// The corruption, for failure messages.
inline std::string spoil_one_tensor(TensorCall& call, Dice& dice) {
  Argument* argument = nullptr;
  do {
    argument = &call.arguments[static_cast<std::size_t>(
        dice.between(0, static_cast<std::int64_t>(call.arguments.size()) - 1))];
  } while (!argument->tensor);
  const std::int64_t way = dice.between(0, 9);
  switch (way) {
    case 0:
      if (argument->optional) {
        argument->tensor->tensor.shape = nullptr;
      } else {
        argument->pointer = nullptr;
      }
      break;
    case 1:
      argument->tensor->tensor.shape = nullptr;
      break;
    case 2:
      // lse may have 3 or 4 dimensions, and no more extents are there to be read.
      argument->tensor->tensor.ndim += dice.one_of({-100, -5, -1, 2, 3, 1000000});
      break;
    case 3:
      spoil_dtype(*argument, dice);
      break;
    case 4:
      spoil_device(*argument, dice);
      break;
    case 5:
      spoil_shape(*argument, dice);
      break;
    case 6:
      spoil_strides(*argument, dice);
      break;
    case 7:
      spoil_address(*argument, dice);
      break;
    case 8:
      if (argument->output) {
        spoil_overlap(call, *argument, dice);
      } else {
        spoil_address(*argument, dice);
      }
      break;
    default:
      if (argument->is_ranges()) {
        spoil_ranges(*argument, dice);
      } else {
        spoil_dtype(*argument, dice);
      }
      break;
  }
  return call.function + ", " + argument->name + " spoilt in way " + std::to_string(way);
}

}  // namespace lvx::test
