// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/layers/cublaslt/api.h"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

#include "base/error.h"

namespace lvx::cuda {
namespace {

constexpr const char* kVariable = "LVX_CUBLASLT_LIBRARY";
constexpr const char* kFiles[] = {"libcublasLt.so.13", "libcublasLt.so.12"};
constexpr const char* kRemedy =
    "; install cuBLAS 12 or later (part of NVIDIA's CUDA Toolkit; pip: nvidia-cublas), or let "
    "LVX_CUBLASLT_LIBRARY name the file";

const char* variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  return value == nullptr || *value == '\0' ? nullptr : value;
}

std::vector<std::string> candidates() {
  if (const char* file = variable(kVariable)) return {file};
  std::vector<std::string> files;
  for (const char* file : kFiles) files.emplace_back(file);
  std::vector<std::string> toolkits;
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const char* toolkit = variable(name)) toolkits.emplace_back(toolkit);
  }
  toolkits.emplace_back("/usr/local/cuda");
  for (const std::string& toolkit : toolkits) {
    for (const char* file : kFiles) files.push_back(toolkit + "/lib64/" + file);
  }
  return files;
}

void* open_library(std::string& name) {
  std::string reasons;
  for (const std::string& file : candidates()) {
    if (void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      name = file;
      return library;
    }
    const char* reason = dlerror();  // NOLINT(concurrency-mt-unsafe): per thread in glibc
    if (reasons.empty()) reasons = reason == nullptr ? file : reason;
  }
  throw Error(LVX_MISSING_LIBRARY, "cuBLASLt cannot be loaded: " + reasons + kRemedy);
}

CublasLt load() {
  std::string name;
  void* const library = open_library(name);
  const auto find = [&]<typename Function>(Function*& function, const char* symbol) {
    function = reinterpret_cast<Function*>(dlsym(library, symbol));
    if (function == nullptr) throw Error(LVX_MISSING_LIBRARY, name + " has no " + symbol + kRemedy);
  };
  CublasLt api{};
  find(api.create, "cublasLtCreate");
  find(api.destroy, "cublasLtDestroy");
  find(api.version, "cublasLtGetVersion");
  find(api.status_string, "cublasLtGetStatusString");
  find(api.matmul, "cublasLtMatmul");
  find(api.heuristic, "cublasLtMatmulAlgoGetHeuristic");
  find(api.operation_create, "cublasLtMatmulDescCreate");
  find(api.operation_set, "cublasLtMatmulDescSetAttribute");
  find(api.operation_destroy, "cublasLtMatmulDescDestroy");
  find(api.layout_create, "cublasLtMatrixLayoutCreate");
  find(api.layout_destroy, "cublasLtMatrixLayoutDestroy");
  find(api.preference_create, "cublasLtMatmulPreferenceCreate");
  find(api.preference_set, "cublasLtMatmulPreferenceSetAttribute");
  find(api.preference_destroy, "cublasLtMatmulPreferenceDestroy");
  return api;
}

}  // namespace

void CublasLt::check(cublasStatus_t status, const std::string& what) const {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string said = "cuBLASLt, " + what + ": " + status_string(status);
  switch (status) {
    case CUBLAS_STATUS_ALLOC_FAILED:
      throw Error(LVX_OUT_OF_MEMORY, said);
    case CUBLAS_STATUS_NOT_SUPPORTED:
    case CUBLAS_STATUS_ARCH_MISMATCH:
      throw Error(LVX_UNSUPPORTED, said);
    default:
      throw Error(LVX_DEVICE_ERROR, said);
  }
}

const CublasLt& CublasLt::loaded() {
  static const CublasLt api = load();  // if it throws, the next call retries
  return api;
}

}  // namespace lvx::cuda
