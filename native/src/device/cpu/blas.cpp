// SPDX-License-Identifier: Apache-2.0
// OpenBLAS, serial. It chooses its kernels by processor; the environment variable OPENBLAS_CORETYPE overrides that.
#include "device/cpu/blas.h"

#include <cblas.h>

namespace lvx::blas {

void sgemm(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda, const float* b,
           std::int64_t ldb, float* c, std::int64_t ldc) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<blasint>(m), static_cast<blasint>(n),
              static_cast<blasint>(k), 1.0f, a, static_cast<blasint>(lda), b, static_cast<blasint>(ldb), 0.0f,
              c, static_cast<blasint>(ldc));
}

}  // namespace lvx::blas
