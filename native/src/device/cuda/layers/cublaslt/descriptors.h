// SPDX-License-Identifier: Apache-2.0
// cuBLASLt's descriptors of one product.
#pragma once

#include <cstdint>
#include <string>

#include "device/cuda/layers/column_major.h"
#include "device/cuda/layers/cublaslt/api.h"

namespace lvx::cuda {

constexpr cudaDataType_t data_type_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
      return CUDA_R_64F;
    case DType::kBFloat16:
      return CUDA_R_16BF;
    case DType::kFloat16:
      return CUDA_R_16F;
    default:
      return CUDA_R_32F;
  }
}

// Plain float32, not TF32, which keeps only ten bits of each operand's mantissa.
constexpr cublasComputeType_t compute_type_of(DType dtype) {
  return dtype == DType::kFloat64 ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F;
}

inline std::string text_of(const ColumnMajor& p) {
  return std::string("product of ") + name_of(p.left.dtype) + " to " + name_of(p.out.dtype) + ", " +
         std::to_string(p.n) + "x" + std::to_string(p.k) + " by " + std::to_string(p.k) + "x" +
         std::to_string(p.m);
}

// Owns a cuBLASLt object.
template <typename Handle>
class Described {
 public:
  using Destroy = cublasStatus_t (*)(Handle);

  explicit Described(Destroy destroy) : destroy_(destroy) {}
  ~Described() {
    if (handle_ != nullptr) destroy_(handle_);
  }
  Described(const Described&) = delete;
  Described& operator=(const Described&) = delete;
  operator Handle() const { return handle_; }
  Handle* to_create() { return &handle_; }

 private:
  Destroy destroy_;
  Handle handle_ = nullptr;
};

struct Descriptors {
  Described<cublasLtMatmulDesc_t> operation;
  Described<cublasLtMatrixLayout_t> left, right, out;

  Descriptors(const CublasLt& api, const ColumnMajor& p)
      : operation(api.operation_destroy),
        left(api.layout_destroy),
        right(api.layout_destroy),
        out(api.layout_destroy) {
    const std::string what = text_of(p);
    api.check(api.operation_create(operation.to_create(), compute_type_of(p.out.dtype),
                                   p.out.dtype == DType::kFloat64 ? CUDA_R_64F : CUDA_R_32F),
              what);
    const auto transpose = [&](cublasLtMatmulDescAttributes_t of, bool transposed) {
      const cublasOperation_t how = transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
      api.check(api.operation_set(operation, of, &how, sizeof(how)), what);
    };
    transpose(CUBLASLT_MATMUL_DESC_TRANSA, p.left.transposed);
    transpose(CUBLASLT_MATMUL_DESC_TRANSB, p.right.transposed);
    const auto lay_out = [&](Described<cublasLtMatrixLayout_t>& layout, const ColumnMajor::Stored& x) {
      api.check(
          api.layout_create(layout.to_create(), data_type_of(x.dtype), static_cast<std::uint64_t>(x.rows),
                            static_cast<std::uint64_t>(x.columns), x.ld),
          what);
    };
    lay_out(left, p.left);
    lay_out(right, p.right);
    lay_out(out, p.out);
  }
};

// Constraints on algorithms: the workspace, the alignment of these addresses, and split-K reductions only in the compute
// type.
struct Preference {
  Described<cublasLtMatmulPreference_t> handle;

  Preference(const CublasLt& api, const ColumnMajor& p, std::uint64_t workspace)
      : handle(api.preference_destroy) {
    api.check(api.preference_create(handle.to_create()), text_of(p));
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      api.check(api.preference_set(handle, attribute, &value, sizeof(value)), text_of(p));
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace);
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(p.left));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(p.right));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(p.out));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(p.out));
  }

  // The alignment of the matrix in bytes, at most 256.
  static std::uint32_t alignment_of(const ColumnMajor::Stored& x) {
    const auto address = reinterpret_cast<std::uintptr_t>(x.data) | 256u;
    return static_cast<std::uint32_t>(address & (~address + 1));
  }
};

}  // namespace lvx::cuda
