// SPDX-License-Identifier: Apache-2.0
// Interface of the matrix products of the GPU's layers, independent of the library that computes them.
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

  // Whether multiply supports these operands: A and B of one dtype, C of that dtype or its accumulator's.
  static bool takes(DType a, DType b, DType c) { return a == b && (c == a || c == accumulator_of(a)); }

  // Bytes of workspace that any product needs at most.
  virtual std::size_t workspace() const = 0;
  // Enqueues the product. Sizes must not be 0, and there must be no bias. Accumulates in the accumulator's dtype and rounds
  // once.
  virtual void multiply(const Queue& queue, const Product& product, std::span<std::byte> workspace) = 0;
};

}  // namespace lvx::cuda
