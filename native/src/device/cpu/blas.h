// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lvx::blas {

// C[m, n] = A[m, k] B[k, n], row-major, on the calling thread.
void sgemm(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda, const float* b,
           std::int64_t ldb, float* c, std::int64_t ldc);

}  // namespace lvx::blas
