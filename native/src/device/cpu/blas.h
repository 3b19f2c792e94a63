// SPDX-License-Identifier: Apache-2.0
// Products of row-major matrices, computed by the calling thread. Sizes and leading dimensions must be below 2^31.
#pragma once

#include <cstdint>
#include <limits>

namespace lvx::blas {

inline constexpr std::int64_t kLargest = std::numeric_limits<std::int32_t>::max();

// C[m, n] += op(A)[m, k] op(B)[k, n]. op transposes a matrix that is stored transposed.
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
          std::int64_t lda, const float* b, std::int64_t ldb, float* c, std::int64_t ldc);
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const double* a,
          std::int64_t lda, const double* b, std::int64_t ldb, double* c, std::int64_t ldc);

// y += op(A) x for A stored as [rows, columns].
void gemv(bool transpose, std::int64_t rows, std::int64_t columns, const float* a, std::int64_t lda,
          const float* x, float* y);
void gemv(bool transpose, std::int64_t rows, std::int64_t columns, const double* a, std::int64_t lda,
          const double* x, double* y);

}  // namespace lvx::blas
