// SPDX-License-Identifier: Apache-2.0
// Layer operations of a device other than attention. They compute in the accumulator's dtype for x. Gradients of parameters
// have that dtype and are accumulated. Operations are enqueued on the device's stream, as attention is.
#pragma once

#include <lvx/lvx.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "attention/views.h"

namespace lvx {

// [batch, rows, width]; width is contiguous.
struct Rows {
  std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t batch = 0;
  std::int64_t rows = 0;
  std::int64_t width = 0;
  std::int64_t batch_stride = 0;
  std::int64_t row_stride = 0;

  bool none() const { return data == nullptr; }
  std::byte* at(std::int64_t item, std::int64_t row) const {
    return data + (item * batch_stride + row * row_stride) * size_of(dtype);
  }
  // Rows [begin, end) of each batch item.
  Rows part(std::int64_t begin, std::int64_t end) const {
    Rows view = *this;
    if (data != nullptr) view.data = at(0, begin);
    view.rows = end - begin;
    return view;
  }
  // Columns [begin, end) of each row.
  Rows columns(std::int64_t begin, std::int64_t end) const {
    Rows view = *this;
    if (data != nullptr) view.data += begin * size_of(dtype);
    view.width = end - begin;
    return view;
  }
};

// A parameter, or its gradient: [rows, width], or [width] with one row.
struct Parameter {
  std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t rows = 1;
  std::int64_t width = 0;
  std::int64_t row_stride = 0;

  bool none() const { return data == nullptr; }
};

// int32 [batch, rows]: positions, or which rows are live (nonzero). data == nullptr: all rows are live.
struct RowIntegers {
  const std::int32_t* data = nullptr;
  std::int64_t batch_stride = 0;
  std::int64_t row_stride = 0;

  bool none() const { return data == nullptr; }
  std::int32_t at(std::int64_t item, std::int64_t row) const {
    return data[item * batch_stride + row * row_stride];
  }
};

struct Norm {
  lvx_norm kind = LVX_NORM_NONE;
  double epsilon = 0;
  Parameter weight, bias;
};

class LayerOperations {
 public:
  virtual ~LayerOperations() = default;

  // y = x w^T + b. Half precision is converted tile by tile, in scratch that the caller allocates, so that it is counted.
  // rows is the number of rows of all batch items.
  virtual std::size_t linear_scratch(std::int64_t rows, std::int64_t in, std::int64_t out,
                                     DType dtype) const = 0;
  virtual void linear_forward(const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                              std::span<std::byte> scratch) = 0;
  // dx = dy w (+ dx), dw += dy^T x, db += column sums of dy. Each output is optional.
  virtual void linear_backward(const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx, bool add_dx,
                               const Parameter& dw, const Parameter& db, std::span<std::byte> scratch) = 0;

  // Normalises the last dimension of [batch, rows, heads, width]. y may be x; dx may be dy unless dx is accumulated.
  virtual std::size_t norm_scratch(std::int64_t width) const = 0;  // of backward
  virtual void norm_forward(const Norm& norm, const Bshd& x, const Bshd& y) = 0;
  virtual void norm_backward(const Norm& norm, const Bshd& x, const Bshd& dy, const Bshd& dx, bool add_dx,
                             const Parameter& dweight, const Parameter& dbias,
                             std::span<std::byte> scratch) = 0;

  // positions: int32 [batch, rows]. y may be x.
  virtual void rotary(double theta, bool inverse, const Bshd& x, const RowIntegers& positions,
                      const Bshd& y) = 0;

  virtual void swiglu_forward(const Rows& gate, const Rows& up, const Rows& y) = 0;
  virtual void swiglu_backward(const Rows& gate, const Rows& up, const Rows& dy, const Rows& dgate,
                               const Rows& dup) = 0;
  virtual void gelu_forward(const Rows& x, const Rows& y) = 0;
  virtual void gelu_backward(const Rows& x, const Rows& dy, const Rows& dx) = 0;
  virtual void gated_add_forward(const Rows& x, const Rows& branch, const Parameter& gate,
                                 const RowIntegers& live, const Rows& y) = 0;
  virtual void gated_add_backward(const Rows& branch, const Parameter& gate, const RowIntegers& live,
                                  const Rows& dy, const Rows& dbranch, const Parameter& dgate) = 0;
  virtual void blend_forward(const Rows& a, const Rows& b, const Parameter& gate, const RowIntegers& live,
                             const Rows& y) = 0;
  virtual void blend_backward(const Rows& a, const Rows& b, const Parameter& gate, const RowIntegers& live,
                              const Rows& dy, const Rows& da, const Rows& db, const Parameter& dgate) = 0;
  // y has the dtype of x or the accumulator's.
  virtual void add(const Rows& x, const Rows& y) = 0;
  virtual void clear_rows(const RowIntegers& live, const Rows& x) = 0;
};

}  // namespace lvx
