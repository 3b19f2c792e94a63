// SPDX-License-Identifier: Apache-2.0
// Reads rows of any floating dtype into the compute type, and writes them back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "attention/half.h"
#include "base/dtype.h"
#include "base/error.h"

namespace lvx {

template <typename T>
inline T from_element(double value) {
  return static_cast<T>(value);
}
template <typename T>
inline T from_element(float value) {
  return static_cast<T>(value);
}
template <typename T>
inline T from_element(BFloat16 value) {
  return static_cast<T>(to_float(value));
}
template <typename T>
inline T from_element(Float16 value) {
  return static_cast<T>(to_float(value));
}

template <typename T>
inline void to_element(T value, double& element) {
  element = static_cast<double>(value);
}
template <typename T>
inline void to_element(T value, float& element) {
  element = static_cast<float>(value);
}
template <typename T>
inline void to_element(T value, BFloat16& element) {
  element = to_bfloat16(static_cast<float>(value));
}
template <typename T>
inline void to_element(T value, Float16& element) {
  element = to_float16(static_cast<float>(value));
}

// Calls visit with a typed pointer to data, which is const if Byte is const.
template <typename Byte, typename Visit>
inline void visit_elements(Byte* data, DType dtype, Visit&& visit) {
  const auto as = [data]<typename Element>(Element*) {
    if constexpr (std::is_const_v<Byte>) {
      return reinterpret_cast<const Element*>(data);
    } else {
      return reinterpret_cast<Element*>(data);
    }
  };
  switch (dtype) {
    case DType::kFloat64:
      return visit(as(static_cast<double*>(nullptr)));
    case DType::kFloat32:
      return visit(as(static_cast<float*>(nullptr)));
    case DType::kBFloat16:
      return visit(as(static_cast<BFloat16*>(nullptr)));
    case DType::kFloat16:
      return visit(as(static_cast<Float16*>(nullptr)));
    case DType::kInt32:
      break;
  }
  throw Error(LVX_INTERNAL, "cannot compute in int32");
}

template <typename T>
inline void load_row(const std::byte* data, DType dtype, std::int64_t count, T* row) {
  visit_elements(data, dtype, [&](const auto* elements) {
    for (std::int64_t i = 0; i < count; ++i) row[i] = from_element<T>(elements[i]);
  });
}

template <typename T>
inline void store_row(const T* row, std::int64_t count, std::byte* data, DType dtype) {
  visit_elements(data, dtype, [&](auto* elements) {
    for (std::int64_t i = 0; i < count; ++i) to_element(row[i], elements[i]);
  });
}

template <typename T>
inline T load_element(const std::byte* data, DType dtype, std::int64_t index) {
  T value{};
  load_row(data + index * size_of(dtype), dtype, 1, &value);
  return value;
}

template <typename T>
inline void store_element(T value, std::byte* data, DType dtype, std::int64_t index) {
  store_row(&value, 1, data + index * size_of(dtype), dtype);
}

}  // namespace lvx
