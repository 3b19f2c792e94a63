// SPDX-License-Identifier: Apache-2.0
// Serial OpenBLAS. It selects its kernels for the processor; the environment variable OPENBLAS_CORETYPE overrides that.
#include "device/cpu/blas.h"

#include <cblas.h>

#include <mutex>

namespace lvx::blas {
namespace {

CBLAS_TRANSPOSE op(bool transpose) { return transpose ? CblasTrans : CblasNoTrans; }
blasint number(std::int64_t n) { return static_cast<blasint>(n); }

}  // namespace

void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
          std::int64_t lda, const float* b, std::int64_t ldb, float* c, std::int64_t ldc) {
  cblas_sgemm(CblasRowMajor, op(transpose_a), op(transpose_b), number(m), number(n), number(k), 1.0f, a,
              number(lda), b, number(ldb), 1.0f, c, number(ldc));
}

void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const double* a,
          std::int64_t lda, const double* b, std::int64_t ldb, double* c, std::int64_t ldc) {
  cblas_dgemm(CblasRowMajor, op(transpose_a), op(transpose_b), number(m), number(n), number(k), 1.0, a,
              number(lda), b, number(ldb), 1.0, c, number(ldc));
}

void gemv(bool transpose, std::int64_t rows, std::int64_t columns, const float* a, std::int64_t lda,
          const float* x, float* y) {
  cblas_sgemv(CblasRowMajor, op(transpose), number(rows), number(columns), 1.0f, a, number(lda), x, 1, 1.0f,
              y, 1);
}

void gemv(bool transpose, std::int64_t rows, std::int64_t columns, const double* a, std::int64_t lda,
          const double* x, double* y) {
  cblas_dgemv(CblasRowMajor, op(transpose), number(rows), number(columns), 1.0, a, number(lda), x, 1, 1.0, y,
              1);
}

}  // namespace lvx::blas

// The serial OpenBLAS takes the buffers of its products from a pool without a lock, so two threads that multiply
// concurrently may get the same buffer: a rare and silent race. The linker redirects its allocation calls here
// (FindOpenBLAS.cmake). NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's --wrap
// chooses these names.
extern "C" {
void blas_kernel_left_out();
void* __real_blas_memory_alloc(int position);
void __real_blas_memory_free(void* buffer);
void* __wrap_blas_memory_alloc(int position);
void __wrap_blas_memory_free(void* buffer);
}

namespace {
std::mutex g_pool;
}

void* __wrap_blas_memory_alloc(int position) {
  const std::lock_guard lock(g_pool);
  return __real_blas_memory_alloc(position);
}

void __wrap_blas_memory_free(void* buffer) {
  const std::lock_guard lock(g_pool);
  __real_blas_memory_free(buffer);
}

// Stands in for the kernels that liblvx.so does not contain (OpenBLASKernels.cmake). No product above calls one.
void blas_kernel_left_out() { __builtin_trap(); }
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
