// SPDX-License-Identifier: Apache-2.0
// The functions of cuBLASLt that this library uses, loaded at the first product.
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

  // Throws Error unless the status is success: LVX_OUT_OF_MEMORY, LVX_UNSUPPORTED or LVX_DEVICE_ERROR. what: what was
  // attempted, for the message.
  void check(cublasStatus_t status, const std::string& what) const;

  // Loads the library once: the file that LVX_CUBLASLT_LIBRARY names, else libcublasLt.so.13 or .12 from the system or the
  // CUDA toolkit. Throws Error(LVX_MISSING_LIBRARY) that names what is missing and how to install it.
  static const CublasLt& loaded();
};

}  // namespace lvx::cuda
