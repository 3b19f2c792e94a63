// SPDX-License-Identifier: Apache-2.0
// A product of row-major matrices as BLAS libraries want it: by columns, where C^T = B^T A^T lies the same way.
#pragma once

#include "device/product.h"

namespace lvx::cuda {

struct ColumnMajor {
  struct Stored {
    std::byte* data;
    DType dtype;
    std::int64_t rows, columns;  // as it lies
    std::int64_t ld;             // from column to column
    bool transposed;             // the product takes its transpose
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
