// SPDX-License-Identifier: Apache-2.0
// The matrix products of simulated GPUs, computed by the CPU's BLAS. Supports the same operands as cuBLASLt, and no others.
#pragma once

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "device/cpu/layers/product.h"
#include "device/cuda/host/simulator.h"
#include "device/cuda/layers/products.h"

namespace lvx::testing {

class CpuProducts final : public cuda::Products {
 public:
  std::size_t workspace() const override { return kWorkspace; }
  void multiply(const cuda::Queue& queue, const Product& product, std::span<std::byte> workspace) override {
    if (!takes(product.a.dtype, product.b.dtype, product.c.dtype) || !product.bias.none() ||
        product.m * product.n * product.k == 0 || workspace.size() < kWorkspace) {
      throw Error(LVX_INTERNAL, "not a product of the library's");
    }
    cuda::host::enqueue(queue.stream, [this, product, workspace] { compute(product, workspace.data()); });
  }

 private:
  static constexpr std::size_t kWorkspace = 128;

  void compute(Product p, std::byte* workspace) {
    std::fill_n(cuda::host::global_memory(workspace, kWorkspace), kWorkspace, std::byte{0xff});
    place(p.a, p.m, p.k);
    place(p.b, p.k, p.n);
    place(p.c, p.m, p.n);
    if (p.c.dtype == DType::kFloat64) {
      cpu::multiply<double>(workers_, p, {});
    } else {
      cpu::multiply<float>(workers_, p, room_);
    }
  }

  // The matrix at its host address.
  static void place(Matrix& x, std::int64_t rows, std::int64_t columns) {
    const std::int64_t lines = x.transposed ? columns : rows;
    const std::int64_t length = x.transposed ? rows : columns;
    const std::int64_t bytes = ((lines - 1) * x.ld + length) * size_of(x.dtype);
    x.data = cuda::host::global_memory(x.data, static_cast<std::size_t>(bytes));
  }

  ThreadTeam workers_{1};
  std::vector<std::byte> room_ = std::vector<std::byte>(cpu::conversion_scratch(1));
};

}  // namespace lvx::testing
