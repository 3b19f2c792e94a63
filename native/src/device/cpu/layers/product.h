// SPDX-License-Identifier: Apache-2.0
// One matrix product on all threads, with operands of any dtype. C is split into tiles. Each tile is one serial BLAS product,
// or several if operands are converted piece by piece.
#pragma once

#include <cstddef>
#include <span>

#include "device/cpu/thread_pool.h"
#include "device/product.h"

namespace lvx::cpu {

// Scratch for the converted pieces of any product with half-precision operands.
std::size_t conversion_scratch(int threads);

// Computes in float, or in double if all operands are float64.
template <typename T>
void multiply(ThreadTeam& team, const Product& product, std::span<std::byte> scratch);

}  // namespace lvx::cpu
