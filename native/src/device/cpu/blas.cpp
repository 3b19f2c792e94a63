// SPDX-License-Identifier: Apache-2.0
// OpenBLAS, serial. Releases up to at least 0.3.21 do not know newer processors and take 256-bit kernels on some that
// have AVX-512; there we ask for the AVX-512 ones, as the user could with OPENBLAS_CORETYPE.
#include "device/cpu/blas.h"

#include <cblas.h>

#include <cstdlib>
#include <mutex>
#include <string_view>

extern "C" {
// Exported by the library, absent from its headers.
void gotoblas_dynamic_init(void);
void gotoblas_dynamic_quit(void);
}

namespace lvx::blas {
namespace {

bool has_avx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512cd");
#else
  return false;
#endif
}

void choose_kernels() {
  constexpr const char* kVariable = "OPENBLAS_CORETYPE";
  if (!has_avx512() || std::getenv(kVariable) != nullptr) return;
  const std::string_view core = openblas_get_corename();
  if (core == "SkylakeX" || core == "Cooperlake" || core == "SapphireRapids") return;
  gotoblas_dynamic_quit();
  setenv(kVariable, "SkylakeX", 0);
  gotoblas_dynamic_init();
  unsetenv(kVariable);
}

}  // namespace

void sgemm(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda, const float* b,
           std::int64_t ldb, float* c, std::int64_t ldc) {
  static std::once_flag once;
  std::call_once(once, choose_kernels);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<blasint>(m), static_cast<blasint>(n),
              static_cast<blasint>(k), 1.0f, a, static_cast<blasint>(lda), b, static_cast<blasint>(ldb), 0.0f,
              c, static_cast<blasint>(ldc));
}

}  // namespace lvx::blas
