// SPDX-License-Identifier: Apache-2.0
// The matrix products of linear layers, and the conversion of strided rows to matrices.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "device/layers.h"

namespace lvx {

struct Matrix {
  std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t ld = 0;
  bool transposed = false;  // memory holds its transpose

  std::byte* at(std::int64_t row, std::int64_t column) const {
    return data + (transposed ? column * ld + row : row * ld + column) * size_of(dtype);
  }
};

// C[m, n] = A[m, k] B[k, n], plus the previous C if add is set, or plus bias in each row. C is not transposed.
struct Product {
  std::int64_t m = 0, n = 0, k = 0;
  Matrix a, b, c;
  Parameter bias;  // [n], or none
  bool add = false;
};

inline Matrix transpose(Matrix x) {
  x.transposed = !x.transposed;
  return x;
}

inline Matrix matrix_of(const Parameter& w) {
  return {w.data, w.dtype, std::max<std::int64_t>(1, w.rows <= 1 ? w.width : w.row_stride)};
}

// Splits two tensors with the same rows into pairs of matrices: the fewest that their strides allow.
class MatrixPairs {
 public:
  MatrixPairs(const Rows& x, const Rows& y) : x_(simplified(x)), y_(simplified(y)) {
    if (is_one_matrix(x_) && is_one_matrix(y_)) {
      rows_ = x_.batch * x_.rows;
    } else if (has_leading_dimension(x_) && has_leading_dimension(y_)) {
      rows_ = x_.rows;
    } else {
      rows_ = 1;
    }
  }

  std::int64_t count() const { return rows_ == 0 ? 0 : x_.batch * x_.rows / rows_; }
  std::int64_t rows() const { return rows_; }  // of each matrix
  Matrix x(std::int64_t index) const { return matrix(x_, index); }
  Matrix y(std::int64_t index) const { return matrix(y_, index); }

 private:
  // A batch of single rows equals one item with that many rows.
  static Rows simplified(const Rows& x) {
    if (x.rows != 1) return x;
    return {x.data, x.dtype, 1, x.batch, x.width, 0, x.batch_stride};
  }

  // Whether the row stride is a valid leading dimension: it fits 32 bits, and rows do not overlap (a row that is
  // broadcast has stride 0).
  static bool has_leading_dimension(const Rows& x) {
    return x.rows <= 1 ||
           (x.row_stride >= x.width && x.row_stride <= std::numeric_limits<std::int32_t>::max());
  }
  static bool is_one_matrix(const Rows& x) {
    return has_leading_dimension(x) && (x.batch <= 1 || x.batch_stride == x.rows * x.row_stride);
  }

  Matrix matrix(const Rows& of, std::int64_t index) const {
    const std::int64_t first = index * rows_;
    const std::int64_t ld = rows_ == 1 ? of.width : of.row_stride;
    return {of.at(first / of.rows, first % of.rows), of.dtype, std::max<std::int64_t>(1, ld)};
  }

  Rows x_, y_;
  std::int64_t rows_;
};

// The products of a linear layer. Both functions call multiply(product) for one product after the other.

// y = x w^T + b
template <typename Multiply>
void for_products_of_forward(const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                             const Multiply& multiply) {
  const MatrixPairs pairs(x, y);
  for (std::int64_t i = 0; i < pairs.count(); ++i) {
    multiply(
        Product{pairs.rows(), w.rows, w.width, pairs.x(i), transpose(matrix_of(w)), pairs.y(i), b, false});
  }
}

// dx = dy w (+ dx), and dw += dy^T x. Both outputs are optional.
template <typename Multiply>
void for_products_of_backward(const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx, bool add_dx,
                              const Parameter& dw, const Multiply& multiply) {
  if (!dx.none()) {
    const MatrixPairs pairs(dy, dx);
    for (std::int64_t i = 0; i < pairs.count(); ++i) {
      multiply(Product{pairs.rows(), w.width, w.rows, pairs.x(i), matrix_of(w), pairs.y(i), {}, add_dx});
    }
  }
  if (!dw.none()) {
    const MatrixPairs pairs(dy, x);
    for (std::int64_t i = 0; i < pairs.count(); ++i) {
      multiply(Product{
          dw.rows, dw.width, pairs.rows(), transpose(pairs.x(i)), pairs.y(i), matrix_of(dw), {}, true});
    }
  }
}

}  // namespace lvx
