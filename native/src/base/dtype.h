// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lvx {

enum class DType : std::uint8_t { kFloat64, kFloat32, kBFloat16, kFloat16, kInt32 };

constexpr std::int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
      return 8;
    case DType::kFloat32:
    case DType::kInt32:
      return 4;
    case DType::kBFloat16:
    case DType::kFloat16:
      return 2;
  }
  return 0;
}

// The dtype in which sums, lse and delta are accumulated and stored.
constexpr DType accumulator_of(DType dtype) {
  return dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
}

constexpr const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
      return "float64";
    case DType::kFloat32:
      return "float32";
    case DType::kBFloat16:
      return "bfloat16";
    case DType::kFloat16:
      return "float16";
    case DType::kInt32:
      return "int32";
  }
  return "unknown";
}

}  // namespace lvx
