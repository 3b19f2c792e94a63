// SPDX-License-Identifier: Apache-2.0
// Addresses of tensor elements, and loads and stores of single elements of any floating-point dtype.
#pragma once

#include "attention/views.h"
#include "device/cuda/warp/warp.h"

namespace lvx::cuda {

LVX_GPU std::int64_t offset_of(const Bshd& x, std::int64_t batch, std::int64_t row, std::int64_t head) {
  return batch * x.batch_stride + row * x.row_stride + head * x.head_stride;
}
LVX_GPU std::int64_t offset_of(const Bhs& x, std::int64_t batch, std::int64_t head, std::int64_t row) {
  return batch * x.batch_stride + head * x.head_stride + row;
}
LVX_GPU std::int64_t offset_of(const Bias& x, std::int64_t batch, std::int64_t head, std::int64_t row,
                               std::int64_t key) {
  return batch * x.batch_stride + head * x.head_stride + row * x.row_stride + key;
}

template <typename T>
LVX_GPU const T* elements(const std::byte* data) {
  return reinterpret_cast<const T*>(data);
}
template <typename T>
LVX_GPU T* elements(std::byte* data) {
  return reinterpret_cast<T*>(data);
}

// One element as T, which is float or double.
template <typename T>
LVX_GPU T load_as(const std::byte* data, DType dtype, std::int64_t at) {
  switch (dtype) {
    case DType::kFloat64:
      return static_cast<T>(load_global(elements<double>(data) + at));
    case DType::kFloat32:
      return static_cast<T>(load_global(elements<float>(data) + at));
    case DType::kBFloat16:
      return static_cast<T>(low(Pair<BFloat16>{load_global(elements<std::uint16_t>(data) + at)}));
    default:
      return static_cast<T>(low(Pair<Float16>{load_global(elements<std::uint16_t>(data) + at)}));
  }
}

template <typename T>
LVX_GPU void store_as(T value, std::byte* data, DType dtype, std::int64_t at) {
  switch (dtype) {
    case DType::kFloat64:
      store_global(elements<double>(data) + at, static_cast<double>(value));
      return;
    case DType::kFloat32:
      store_global(elements<float>(data) + at, static_cast<float>(value));
      return;
    case DType::kBFloat16:
      store_global(elements<std::uint16_t>(data) + at,
                   static_cast<std::uint16_t>(pack<BFloat16>(static_cast<float>(value), 0.0f).bits));
      return;
    default:
      store_global(elements<std::uint16_t>(data) + at,
                   static_cast<std::uint16_t>(pack<Float16>(static_cast<float>(value), 0.0f).bits));
  }
}

// Stores value, or adds value to what memory holds.
template <typename T>
LVX_GPU void put_as(T value, bool add, std::byte* data, DType dtype, std::int64_t at) {
  store_as<T>(add ? load_as<T>(data, dtype, at) + value : value, data, dtype, at);
}

// Elements outside shared-memory tiles, which tensor-core kernels read and write as T, the dtype of q, or as float32.
template <typename T>
LVX_GPU float load_half(const std::byte* data, DType dtype, std::int64_t at) {
  if (dtype == DType::kFloat32) return load_global(elements<float>(data) + at);
  return low(Pair<T>{load_global(elements<std::uint16_t>(data) + at)});
}

// Two elements at an even column. paired: every such pair of the tensor is aligned to its size.
template <typename T>
LVX_GPU void store_pair(float first, float second, bool paired, std::byte* data, DType dtype,
                        std::int64_t at) {
  struct alignas(8) Floats {
    float first, second;
  };
  if (dtype == DType::kFloat32) {
    float* to = elements<float>(data) + at;
    if (paired) {
      store_global(reinterpret_cast<Floats*>(to), Floats{first, second});
    } else {
      store_global(to, first);
      store_global(to + 1, second);
    }
  } else {
    const std::uint32_t both = pack<T>(first, second).bits;
    std::uint16_t* to = elements<std::uint16_t>(data) + at;
    if (paired) {
      store_global(reinterpret_cast<std::uint32_t*>(to), both);
    } else {
      store_global(to, static_cast<std::uint16_t>(both & 0xffffu));
      store_global(to + 1, static_cast<std::uint16_t>(both >> 16));
    }
  }
}
template <typename T>
LVX_GPU void put_pair(float first, float second, bool add, bool paired, std::byte* data, DType dtype,
                      std::int64_t at) {
  if (add) {
    first += load_half<T>(data, dtype, at);
    second += load_half<T>(data, dtype, at + 1);
  }
  store_pair<T>(first, second, paired, data, dtype, at);
}

}  // namespace lvx::cuda
