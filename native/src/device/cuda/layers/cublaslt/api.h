// SPDX-License-Identifier: Apache-2.0
// The functions of cuBLASLt that are used here, found when the first product is asked for.
#pragma once

#include <cublasLt.h>

#include <string>

namespace lvx::cuda {

struct CublasLt {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtGetVersion) version;
  decltype(&cublasLtGetStatusString) status_string;
  decltype(&cublasLtMatmul) matmul;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic;
  decltype(&cublasLtMatmulDescCreate) operation_create;
  decltype(&cublasLtMatmulDescSetAttribute) operation_set;
  decltype(&cublasLtMatmulDescDestroy) operation_destroy;
  decltype(&cublasLtMatrixLayoutCreate) layout_create;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy;

  // Throws Error: LVX_OUT_OF_MEMORY, LVX_UNSUPPORTED or LVX_DEVICE_ERROR. what: the attempt, for people.
  void check(cublasStatus_t status, const std::string& what) const;

  // Of the file that LVX_CUBLASLT_LIBRARY names, else of libcublasLt.so.13 or .12 where the system finds it or in the
  // CUDA toolkit; loaded once. Throws Error(LVX_MISSING_LIBRARY) naming what is missing and what would bring it.
  static const CublasLt& loaded();
};

}  // namespace lvx::cuda
