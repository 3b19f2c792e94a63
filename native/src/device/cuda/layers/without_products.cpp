// SPDX-License-Identifier: Apache-2.0
// Replaces the sources in cublaslt if cuBLASLt's header was not found.
#include "base/error.h"
#include "device/cuda/layers/make_products.h"

namespace lvx::cuda {

std::unique_ptr<Products> make_products(std::size_t) {
  throw Error(LVX_UNSUPPORTED,
              "linear maps and projections on the GPU need cuBLASLt, whose header was missing where this "
              "library was built; build it again with a whole CUDA toolkit, or with pip's nvidia-cublas and "
              "-DcuBLASLt_ROOT=its folder");
}

}  // namespace lvx::cuda
