// SPDX-License-Identifier: Apache-2.0
// Which tensors share memory. An output must share none with anything else of the call, nor with itself.
#pragma once

#include <initializer_list>
#include <span>

#include "abi/tensor_check.h"

namespace lvx {

// Whether two elements of the tensor may share an address. Conservative: also true for unusual nestings of strides.
bool overlaps_itself(const CheckedTensor& tensor);

// Whether the two may share a byte. Exact for slices of one common tensor along any of its dimensions, also
// where their extents interleave: halves of a [B, S, 2, H, D] or [B, S, H, 2, D] buffer, parts of a fused qkv
// buffer.
bool may_overlap(const CheckedTensor& a, const CheckedTensor& b);

// Null stands for an optional tensor that is absent. Throws Error(LVX_INVALID_ARGUMENT) naming both.
using TensorPointers = std::span<const CheckedTensor* const>;
void require_separate(TensorPointers outputs, TensorPointers inputs);
inline void require_separate(std::initializer_list<const CheckedTensor*> outputs,
                             std::initializer_list<const CheckedTensor*> inputs) {
  require_separate(TensorPointers(outputs.begin(), outputs.size()),
                   TensorPointers(inputs.begin(), inputs.size()));
}

}  // namespace lvx
