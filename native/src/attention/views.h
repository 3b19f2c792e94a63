// SPDX-License-Identifier: Apache-2.0
// Views of the tensors of attention: a pointer, a dtype and strides in elements. They own nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace lvx {

// [batch, row, head, dim] (BSHD): q, k, v, o and their gradients. dim is contiguous.
struct Bshd {
  std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t batch_stride = 0;
  std::int64_t row_stride = 0;
  std::int64_t head_stride = 0;

  std::byte* at(std::int64_t batch, std::int64_t row, std::int64_t head) const {
    return data + (batch * batch_stride + row * row_stride + head * head_stride) * size_of(dtype);
  }
  // The same tensor without its first rows.
  Bshd from_row(std::int64_t row) const {
    Bshd view = *this;
    if (data != nullptr) view.data += row * row_stride * size_of(dtype);
    return view;
  }
};

// [batch, head, row] (BHS): lse and delta. row is contiguous.
struct Bhs {
  std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t batch_stride = 0;
  std::int64_t head_stride = 0;

  std::byte* at(std::int64_t batch, std::int64_t head, std::int64_t row) const {
    return data + (batch * batch_stride + head * head_stride + row) * size_of(dtype);
  }
};

// The same numbers seen as [batch, row = head, head = 0, dim = row].
inline Bshd as_bshd(const Bhs& values) {
  return {values.data, values.dtype, values.batch_stride, values.head_stride, 0};
}

// lse = bias_max + rest, kept apart as they would round each other off: the largest bias of the keys that a row sees, and
// the lse that counts from it. data == nullptr: none.
struct LseTerms {
  Bhs bias_max, rest;

  bool none() const { return rest.data == nullptr; }
};

// int32 [batch, row, range, 2]: half-open ranges of the group's keys, ascending and disjoint, empty ones anywhere.
// data == nullptr: every query sees every key.
struct Visibility {
  const std::int32_t* data = nullptr;
  std::int64_t ranges = 0;
  std::int64_t batch_stride = 0;
  std::int64_t row_stride = 0;
  std::int64_t range_stride = 0;

  bool everything() const { return data == nullptr; }
  const std::int32_t* at(std::int64_t batch, std::int64_t row) const {
    return data + batch * batch_stride + row * row_stride;
  }
};

// [batch, head, row, key], additive; stride 0 where the extent is 1 (broadcast); keys are contiguous. data == nullptr: none.
struct Bias {
  std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t batch_stride = 0;
  std::int64_t head_stride = 0;
  std::int64_t row_stride = 0;

  bool none() const { return data == nullptr; }
  std::byte* at(std::int64_t batch, std::int64_t head, std::int64_t row, std::int64_t key) const {
    return data + (batch * batch_stride + head * head_stride + row * row_stride + key) * size_of(dtype);
  }
  // The same bias for the queries from row on and the keys from key on.
  Bias from(std::int64_t row, std::int64_t key) const {
    Bias view = *this;
    if (data != nullptr) view.data += (row * row_stride + key) * size_of(dtype);
    return view;
  }
};

// The same numbers seen as [batch, row, head, dim = keys].
inline Bshd as_bshd(const Bias& bias) {
  return {bias.data, bias.dtype, bias.batch_stride, bias.row_stride, bias.head_stride};
}

// One block of queries against one run of keys.
struct Problem {
  std::int64_t batch = 0;
  std::int64_t queries = 0;
  std::int64_t keys = 0;
  std::int64_t query_heads = 0;
  std::int64_t key_heads = 0;
  std::int64_t head_dim = 0;
  double scale = 1;
  std::int64_t first_key = 0;  // where the keys lie among the group's keys, which visibility counts in

  std::int64_t query_elements() const { return batch * queries * query_heads * head_dim; }
  std::int64_t key_elements() const { return batch * keys * key_heads * head_dim; }
  std::int64_t rows() const { return batch * query_heads * queries; }
};

// Compact views over memory that holds a block's tensors.
inline Bshd compact_bshd(void* data, DType dtype, std::int64_t rows, std::int64_t heads, std::int64_t dim) {
  return {static_cast<std::byte*>(data), dtype, rows * heads * dim, heads * dim, dim};
}

// Whether the tensor lies as compact_bshd would have it; strides of extents up to 1 do not count.
inline bool is_compact(const Bshd& view, std::int64_t batch, std::int64_t rows, std::int64_t heads,
                       std::int64_t dim) {
  return (batch <= 1 || view.batch_stride == rows * heads * dim) &&
         (rows <= 1 || view.row_stride == heads * dim) && (heads <= 1 || view.head_stride == dim);
}

inline Bhs compact_bhs(void* data, DType dtype, std::int64_t heads, std::int64_t rows) {
  return {static_cast<std::byte*>(data), dtype, heads * rows, rows};
}

inline Bias compact_bias(void* data, DType dtype, std::int64_t batch, std::int64_t heads, std::int64_t rows,
                         std::int64_t keys) {
  return {static_cast<std::byte*>(data), dtype, batch == 1 ? 0 : heads * rows * keys,
          heads == 1 ? 0 : rows * keys, rows == 1 ? 0 : keys};
}

inline Visibility compact_visibility(const void* data, std::int64_t rows, std::int64_t ranges) {
  return {static_cast<const std::int32_t*>(data), ranges, rows * ranges * 2, ranges * 2, 2};
}

}  // namespace lvx
