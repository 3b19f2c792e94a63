// SPDX-License-Identifier: Apache-2.0
// One matrix product on all threads, of operands of any dtype: C is cut into tiles, and each tile is one serial product
// of the BLAS, or several where operands are converted piece by piece.
#pragma once

#include <cstddef>
#include <span>

#include "device/cpu/workers.h"
#include "device/product.h"

namespace lvx::cpu {

// Room for the converted pieces of any product whose operands are half precision.
std::size_t conversion_scratch(int threads);

// Computes in T: float, or double where all operands are float64.
template <typename T>
void multiply(Workers& workers, const Product& product, std::span<std::byte> scratch);

}  // namespace lvx::cpu
