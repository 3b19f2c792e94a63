// SPDX-License-Identifier: Apache-2.0
// Expresses a product of row-major matrices for a column-major BLAS: C = A B in row-major order is C^T = B^T A^T in column-major
// order, with the same memory layout.
#pragma once

#include "device/product.h"

namespace lvx::cuda {

struct ColumnMajor {
  struct Stored {
    std::byte* data;
    DType dtype;
    std::int64_t rows, columns;  // as stored
    std::int64_t ld;             // elements from column to column
    bool transposed;             // the product uses its transpose
  };

  std::int64_t m, n, k;  // out [m, n] = left [m, k] right [k, n]
  Stored left, right, out;

  explicit ColumnMajor(const Product& p)
      : m(p.n),
        n(p.m),
        k(p.k),
        left(stored(p.b, p.n, p.k)),
        right(stored(p.a, p.k, p.m)),
        out(stored(p.c, p.n, p.m)) {}

 private:
  static Stored stored(const Matrix& x, std::int64_t rows, std::int64_t columns) {
    if (x.transposed) return {x.data, x.dtype, columns, rows, x.ld, true};
    return {x.data, x.dtype, rows, columns, x.ld, false};
  }
};

}  // namespace lvx::cuda
