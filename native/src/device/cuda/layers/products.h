// SPDX-License-Identifier: Apache-2.0
// The matrix products of the GPU's layers, by whatever library computes them.
#pragma once

#include <cstddef>
#include <span>

#include "device/cuda/launch/kernels.h"
#include "device/product.h"

namespace lvx::cuda {

class Products {
 public:
  virtual ~Products() = default;
  Products() = default;
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  // Whether multiply takes such operands: A and B of one dtype, C of that or of its accumulator's.
  static bool takes(DType a, DType b, DType c) { return a == b && (c == a || c == accumulator_of(a)); }

  // Workspace of any product.
  virtual std::size_t workspace() const = 0;
  // Puts it on the queue. Sizes are not 0; there is no bias. Accumulated in the accumulator's dtype, and rounded once.
  virtual void multiply(const Queue& queue, const Product& product, std::span<std::byte> workspace) = 0;
};

}  // namespace lvx::cuda
