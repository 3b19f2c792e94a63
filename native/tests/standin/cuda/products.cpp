// SPDX-License-Identifier: Apache-2.0
// In cuBLASLt's place: products of matrices in a simulated GPU's memory, one element after the other.
#include <cstring>

#include "base/error.h"
#include "device/cuda/host/simulator.h"
#include "device/cuda/layers/make_products.h"
#include "standin/cuda/gpu_memory.h"
#include "standin/cuda/streams.h"

namespace lvx::cuda {
namespace {

constexpr std::size_t kWorkspace = 128;

// The element's bytes on the host. Throws as a kernel that leaves its memory would.
std::byte* element(const Matrix& x, std::int64_t row, std::int64_t column) {
  const auto bytes = static_cast<std::size_t>(size_of(x.dtype));
  std::byte* found = test::GpuMemory::instance().find(x.at(row, column), bytes, test::GpuStream::running());
  if (found == nullptr) throw host::Fault("a product reads or writes outside everything that was allocated");
  return found;
}

double load(const Matrix& x, std::int64_t row, std::int64_t column) {
  const std::byte* from = element(x, row, column);
  const auto as = [from]<typename T>(T value) {
    std::memcpy(&value, from, sizeof(T));
    return value;
  };
  switch (x.dtype) {
    case DType::kFloat64:
      return as(double{});
    case DType::kFloat32:
      return as(float{});
    case DType::kBFloat16:
      return to_float(as(BFloat16{}));
    default:
      return to_float(as(Float16{}));
  }
}

void store(double value, const Matrix& x, std::int64_t row, std::int64_t column) {
  std::byte* to = element(x, row, column);
  const auto as = [to](const auto& element) { std::memcpy(to, &element, sizeof(element)); };
  switch (x.dtype) {
    case DType::kFloat64:
      return as(value);
    case DType::kFloat32:
      return as(static_cast<float>(value));
    case DType::kBFloat16:
      return as(to_bfloat16(static_cast<float>(value)));
    default:
      return as(to_float16(static_cast<float>(value)));
  }
}

class StandInProducts final : public Products {
 public:
  std::size_t workspace() const override { return kWorkspace; }
  void multiply(const Queue& queue, const Product& p, std::span<std::byte> workspace) override {
    if (!takes(p.a.dtype, p.b.dtype, p.c.dtype) || !p.bias.none() || p.m * p.n * p.k == 0 ||
        workspace.size() < kWorkspace) {
      throw Error(LVX_INTERNAL, "not a product of the library's");
    }
    host::enqueue(queue.stream, [p] {
      for (std::int64_t i = 0; i < p.m; ++i) {
        for (std::int64_t j = 0; j < p.n; ++j) {
          double sum = p.add ? load(p.c, i, j) : 0;
          for (std::int64_t k = 0; k < p.k; ++k) sum += load(p.a, i, k) * load(p.b, k, j);
          store(sum, p.c, i, j);
        }
      }
    });
  }
};

}  // namespace

std::unique_ptr<Products> make_products(std::size_t) { return std::make_unique<StandInProducts>(); }

}  // namespace lvx::cuda
