// SPDX-License-Identifier: Apache-2.0
// Non-owning views of attention tensors: a pointer, a dtype, and extents and strides in elements.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace lvx {

// [batch, row, head, dim] (BSHD): q, k, v, o and their gradients. dim is contiguous.
struct Bshd {
  std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t batch = 0;
  std::int64_t rows = 0;
  std::int64_t heads = 0;
  std::int64_t dim = 0;
  std::int64_t batch_stride = 0;
  std::int64_t row_stride = 0;
  std::int64_t head_stride = 0;

  std::int64_t elements() const { return batch * rows * heads * dim; }
  std::byte* at(std::int64_t item, std::int64_t row, std::int64_t head) const {
    return data + (item * batch_stride + row * row_stride + head * head_stride) * size_of(dtype);
  }
  // Rows [begin, end) of each batch item.
  Bshd row_range(std::int64_t begin, std::int64_t end) const {
    Bshd view = *this;
    if (data != nullptr) view.data = at(0, begin, 0);
    view.rows = end - begin;
    return view;
  }
};

// [batch, head, row] (BHS): lse and delta. row is contiguous.
struct Bhs {
  std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t batch = 0;
  std::int64_t heads = 0;
  std::int64_t rows = 0;
  std::int64_t batch_stride = 0;
  std::int64_t head_stride = 0;

  std::byte* at(std::int64_t item, std::int64_t head, std::int64_t row) const {
    return data + (item * batch_stride + head * head_stride + row) * size_of(dtype);
  }
  // Rows [begin, end) of each batch item and head.
  Bhs row_range(std::int64_t begin, std::int64_t end) const {
    Bhs view = *this;
    if (data != nullptr) view.data = at(0, 0, begin);
    view.rows = end - begin;
    return view;
  }
};

// The same elements viewed as [batch, row = head, head = 0, dim = row].
inline Bshd as_bshd(const Bhs& values) {
  return {values.data,
          values.dtype,
          values.batch,
          values.heads,
          1,
          values.rows,
          values.batch_stride,
          values.head_stride,
          0};
}

// lse = bias_max + rest, stored as two terms because their sum would lose digits of the smaller one. bias_max is the
// largest bias of the keys that a row sees; rest is the lse relative to it. data == nullptr: absent.
struct LseTerms {
  Bhs bias_max, rest;

  bool none() const { return rest.data == nullptr; }
};

// int32 [batch, row, range, 2]: half-open ranges of the group's keys, ascending and disjoint. Empty ranges may be anywhere.
// data == nullptr: every query sees every key.
struct Visibility {
  const std::int32_t* data = nullptr;
  std::int64_t batch = 0;
  std::int64_t rows = 0;
  std::int64_t ranges = 0;
  std::int64_t batch_stride = 0;
  std::int64_t row_stride = 0;
  std::int64_t range_stride = 0;

  bool everything() const { return data == nullptr; }
  const std::int32_t* at(std::int64_t item, std::int64_t row) const {
    return data + item * batch_stride + row * row_stride;
  }
  // Rows [begin, end) of each batch item.
  Visibility row_range(std::int64_t begin, std::int64_t end) const {
    Visibility view = *this;
    if (data != nullptr) view.data = at(0, begin);
    view.rows = end - begin;
    return view;
  }
};

// [batch, head, row, key], additive; key is contiguous. A dimension of extent 1 is broadcast and has stride 0.
// data == nullptr: absent.
struct Bias {
  std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t batch = 1;
  std::int64_t heads = 1;
  std::int64_t rows = 1;
  std::int64_t keys = 0;
  std::int64_t batch_stride = 0;
  std::int64_t head_stride = 0;
  std::int64_t row_stride = 0;

  bool none() const { return data == nullptr; }
  std::int64_t elements() const { return batch * heads * rows * keys; }
  std::byte* at(std::int64_t item, std::int64_t head, std::int64_t row, std::int64_t key) const {
    return data + (item * batch_stride + head * head_stride + row * row_stride + key) * size_of(dtype);
  }
  // The bias of queries [begin, end); the whole bias if it is broadcast along queries.
  Bias row_range(std::int64_t begin, std::int64_t end) const {
    if (none() || rows == 1) return *this;
    Bias view = *this;
    view.data = at(0, 0, begin, 0);
    view.rows = end - begin;
    return view;
  }
  // The bias of keys [begin, end).
  Bias key_range(std::int64_t begin, std::int64_t end) const {
    if (none()) return *this;
    Bias view = *this;
    view.data = at(0, 0, 0, begin);
    view.keys = end - begin;
    return view;
  }
};

// The same elements viewed as [batch, row, head, dim = keys].
inline Bshd as_bshd(const Bias& bias) {
  return {bias.data, bias.dtype,        bias.batch,      bias.rows,       bias.heads,
          bias.keys, bias.batch_stride, bias.row_stride, bias.head_stride};
}

// The sizes of a problem: one block of queries against one run of keys.
struct ProblemShape {
  std::int64_t batch = 0;
  std::int64_t queries = 0;
  std::int64_t keys = 0;
  std::int64_t query_heads = 0;
  std::int64_t key_heads = 0;
  std::int64_t head_dim = 0;
  double scale = 1;
  std::int64_t first_key = 0;    // offset of these keys in the group's keys, as visibility ranges count them
  std::int64_t first_query = 0;  // offset of these queries in the group's queries

  std::int64_t query_elements() const { return batch * queries * query_heads * head_dim; }
  std::int64_t key_elements() const { return batch * keys * key_heads * head_dim; }
  std::int64_t rows() const { return batch * query_heads * queries; }
};

// Contiguous views of memory that holds a block's tensors.
inline Bshd compact_bshd(void* data, DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t heads,
                         std::int64_t dim) {
  return {
      static_cast<std::byte*>(data), dtype, batch, rows, heads, dim, rows * heads * dim, heads * dim, dim};
}

// Like q.
inline Bshd compact_queries(void* data, DType dtype, const ProblemShape& shape) {
  return compact_bshd(data, dtype, shape.batch, shape.queries, shape.query_heads, shape.head_dim);
}

// Like k.
inline Bshd compact_keys(void* data, DType dtype, const ProblemShape& shape) {
  return compact_bshd(data, dtype, shape.batch, shape.keys, shape.key_heads, shape.head_dim);
}

// Like lse.
inline Bhs compact_row_values(void* data, DType dtype, const ProblemShape& shape) {
  return {static_cast<std::byte*>(data),     dtype,        shape.batch, shape.query_heads, shape.queries,
          shape.query_heads * shape.queries, shape.queries};
}

// Dimensions of extent 1 are broadcast.
inline Bias compact_bias(void* data, DType dtype, std::int64_t batch, std::int64_t heads, std::int64_t rows,
                         std::int64_t keys) {
  return {static_cast<std::byte*>(data),
          dtype,
          batch,
          heads,
          rows,
          keys,
          batch == 1 ? 0 : heads * rows * keys,
          heads == 1 ? 0 : rows * keys,
          rows == 1 ? 0 : keys};
}

inline Visibility compact_visibility(const void* data, std::int64_t batch, std::int64_t rows,
                                     std::int64_t ranges) {
  return {static_cast<const std::int32_t*>(data), batch, rows, ranges, rows * ranges * 2, ranges * 2, 2};
}

// Whether the tensor is contiguous, as compact_bshd makes it. Strides of dimensions of extent 0 or 1 are ignored.
inline bool is_compact(const Bshd& x) {
  return (x.batch <= 1 || x.batch_stride == x.rows * x.heads * x.dim) &&
         (x.rows <= 1 || x.row_stride == x.heads * x.dim) && (x.heads <= 1 || x.head_stride == x.dim);
}

}  // namespace lvx
