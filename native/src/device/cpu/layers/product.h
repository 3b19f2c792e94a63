// SPDX-License-Identifier: Apache-2.0
// One matrix product on all threads, of operands of any dtype: C is cut into tiles, and each tile is one serial product
// of the BLAS, or several where operands are converted piece by piece.
#pragma once

#include <cstddef>
#include <span>

#include "device/cpu/workers.h"
#include "device/layers.h"

namespace lvx::cpu {

struct Matrix {
  std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t ld = 0;
  bool transposed = false;  // lies in memory as its transpose

  std::byte* at(std::int64_t row, std::int64_t column) const {
    return data + (transposed ? column * ld + row : row * ld + column) * size_of(dtype);
  }
};

// C[m, n] = A[m, k] B[k, n], plus what C holds or plus bias in each row. C is not transposed.
struct Product {
  std::int64_t m = 0, n = 0, k = 0;
  Matrix a, b, c;
  Parameter bias;  // [n], or none
  bool add = false;
};

// Room for the converted pieces of any product whose operands are half precision.
std::size_t conversion_scratch(int threads);

// Computes in T: float, or double where all operands are float64.
template <typename T>
void multiply(Workers& workers, const Product& product, std::span<std::byte> scratch);

}  // namespace lvx::cpu
