// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

#include "device/cuda/layers/products.h"

namespace lvx::cuda {

// Products by cuBLASLt on the calling thread's current GPU. Throws Error(LVX_UNSUPPORTED) if this build has no cuBLASLt, and
// Error(LVX_MISSING_LIBRARY) if the library cannot be loaded.
std::unique_ptr<Products> make_products(std::size_t workspace);

}  // namespace lvx::cuda
