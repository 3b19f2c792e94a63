// SPDX-License-Identifier: Apache-2.0
// Products by cuBLASLt. Its heuristics propose an algorithm for each shape once. The same shape then always uses that
// algorithm, so that results have the same bits.
#include <array>
#include <map>
#include <string>

#include "base/error.h"
#include "device/cuda/layers/cublaslt/descriptors.h"
#include "device/cuda/layers/make_products.h"

namespace lvx::cuda {
namespace {

class CublasLtProducts final : public Products {
 public:
  explicit CublasLtProducts(std::size_t workspace) : api_(CublasLt::loaded()), workspace_(workspace) {
    api_.check(api_.create(&handle_), "start");
  }
  ~CublasLtProducts() override { api_.destroy(handle_); }

  std::size_t workspace() const override { return workspace_; }

  void multiply(const Queue& queue, const Product& product, std::span<std::byte> workspace) override {
    if (!takes(product.a.dtype, product.b.dtype, product.c.dtype) || !product.bias.none()) {
      throw Error(LVX_INTERNAL, "a product that cuBLASLt does not know");
    }
    const ColumnMajor p(product);
    const Descriptors described(api_, p);
    const cublasLtMatmulAlgo_t& algorithm = algorithm_for(p, described);
    // The operands have the compute type already.
    const double one = 1, zero = 0;
    const float one_float = 1, zero_float = 0;
    const bool in_double = p.out.dtype == DType::kFloat64;
    const void* const once = in_double ? static_cast<const void*>(&one) : &one_float;
    const void* const never = in_double ? static_cast<const void*>(&zero) : &zero_float;
    api_.check(api_.matmul(handle_, described.operation, once, p.left.data, described.left, p.right.data,
                           described.right, product.add ? once : never, p.out.data, described.out, p.out.data,
                           described.out, &algorithm, workspace.data(), workspace.size(),
                           static_cast<cudaStream_t>(queue.stream)),
               text_of(p));
  }

 private:
  // The key: sizes, dtypes, leading dimensions and alignments.
  using Key = std::array<std::int64_t, 11>;
  static constexpr std::size_t kMostShapes = 4096;

  const cublasLtMatmulAlgo_t& algorithm_for(const ColumnMajor& p, const Descriptors& described) {
    Key key{p.m, p.n, p.k, p.left.transposed, p.right.transposed};
    std::size_t at = 5;
    for (const ColumnMajor::Stored* x : {&p.left, &p.right, &p.out}) {
      key[at++] = x->ld;
      key[at++] = static_cast<std::int64_t>(x->dtype) << 32 | Preference::alignment_of(*x);
    }
    if (const auto known = algorithms_.find(key); known != algorithms_.end()) return known->second;

    const Preference preference(api_, p, workspace_);
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    const cublasStatus_t status =
        api_.heuristic(handle_, described.operation, described.left, described.right, described.out,
                       described.out, preference.handle, 1, &best, &found);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) api_.check(status, text_of(p));
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || found == 0) {
      throw Error(LVX_UNSUPPORTED, "cuBLASLt has no algorithm for a " + text_of(p) + " with rows " +
                                       std::to_string(p.right.ld) + ", " + std::to_string(p.left.ld) +
                                       " and " + std::to_string(p.out.ld) + " elements apart");
    }
    if (algorithms_.size() == kMostShapes) algorithms_.clear();
    return algorithms_.emplace(key, best.algo).first->second;
  }

  const CublasLt& api_;
  std::size_t workspace_;
  cublasLtHandle_t handle_ = nullptr;
  std::map<Key, cublasLtMatmulAlgo_t> algorithms_;
};

}  // namespace

std::unique_ptr<Products> make_products(std::size_t workspace) {
  return std::make_unique<CublasLtProducts>(workspace);
}

}  // namespace lvx::cuda
