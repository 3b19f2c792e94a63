// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "device/cpu/workers.h"
#include "device/layers.h"

namespace lvx::cpu {

// Rows of [batch, rows, heads, width].
struct NormShape {
  std::int64_t batch, rows, heads, width;

  std::int64_t count() const { return batch * rows * heads; }
};

std::size_t norm_scratch(std::int64_t width);
void norm_forward(Workers& workers, const Norm& norm, const NormShape& shape, const Bshd& x, const Bshd& y);
void norm_backward(Workers& workers, const Norm& norm, const NormShape& shape, const Bshd& x, const Bshd& dy,
                   const Bshd& dx, bool add_dx, const Parameter& dweight, const Parameter& dbias,
                   std::span<std::byte> scratch);

}  // namespace lvx::cpu
