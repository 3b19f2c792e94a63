// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/layers/linear.h"

#include <algorithm>

#include "attention/elements.h"
#include "device/cpu/blas.h"
#include "device/cpu/blocking.h"
#include "device/cpu/layers/product.h"

namespace lvx::cpu {
namespace {

// A batch of single rows is as good as one item of so many rows.
Rows simplified(const Rows& x) {
  if (x.rows != 1) return x;
  return {x.data, x.dtype, 1, x.batch, x.width, 0, x.batch_stride};
}

// Whether the BLAS can step from row to row; rows that overlap, for instance one row for all, it cannot.
bool has_leading_dimension(const Rows& x) {
  return x.rows <= 1 || (x.row_stride >= x.width && x.row_stride <= blas::kLargest);
}

bool is_one_matrix(const Rows& x) {
  return has_leading_dimension(x) && (x.batch <= 1 || x.batch_stride == x.rows * x.row_stride);
}

// Cuts two tensors of the same rows into pairs of matrices, as few as their strides allow.
class Matrices {
 public:
  Matrices(const Rows& x, const Rows& y) : x_(simplified(x)), y_(simplified(y)) {
    if (is_one_matrix(x_) && is_one_matrix(y_)) {
      rows_ = x_.batch * x_.rows;
    } else if (has_leading_dimension(x_) && has_leading_dimension(y_)) {
      rows_ = x_.rows;
    } else {
      rows_ = 1;
    }
  }

  std::int64_t count() const { return rows_ == 0 ? 0 : x_.batch * x_.rows / rows_; }
  std::int64_t rows() const { return rows_; }
  Matrix x(std::int64_t index) const { return matrix(x_, index); }
  Matrix y(std::int64_t index) const { return matrix(y_, index); }

 private:
  Matrix matrix(const Rows& of, std::int64_t index) const {
    const std::int64_t first = index * rows_;
    const std::int64_t ld = rows_ == 1 ? of.width : of.row_stride;
    return {of.at(first / of.rows, first % of.rows), of.dtype, std::max<std::int64_t>(1, ld)};
  }

  Rows x_, y_;
  std::int64_t rows_;  // of each matrix
};

Matrix matrix_of(const Parameter& w) {
  return {w.data, w.dtype, std::max<std::int64_t>(1, w.rows <= 1 ? w.width : w.row_stride)};
}

Matrix transpose(Matrix x) {
  x.transposed = true;
  return x;
}

// db += column sums of dy. Each task has columns of its own, so that the order of the sums is always the same.
template <typename T>
void add_column_sums(Workers& workers, const Rows& dy, const Parameter& db) {
  constexpr std::int64_t kColumns = 64;
  workers.run(divide_up(dy.width, kColumns), [&](std::int64_t index, int) {
    const std::int64_t begin = index * kColumns;
    const std::int64_t count = std::min(kColumns, dy.width - begin);
    double sums[kColumns] = {};
    T line[kColumns];
    for (std::int64_t i = 0; i < dy.batch * dy.rows; ++i) {
      load_row(dy.at(i / dy.rows, i % dy.rows) + begin * size_of(dy.dtype), dy.dtype, count, line);
      for (std::int64_t c = 0; c < count; ++c) sums[c] += static_cast<double>(line[c]);
    }
    for (std::int64_t c = 0; c < count; ++c) {
      const auto before = load_element<double>(db.data, db.dtype, begin + c);
      store_element(before + sums[c], db.data, db.dtype, begin + c);
    }
  });
}

template <typename T>
void forward_as(Workers& workers, const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                std::span<std::byte> scratch) {
  const Matrices pairs(x, y);
  for (std::int64_t i = 0; i < pairs.count(); ++i) {
    const Product product{pairs.rows(), w.rows, w.width, pairs.x(i), transpose(matrix_of(w)),
                          pairs.y(i),   b,      false};
    multiply<T>(workers, product, scratch);
  }
}

template <typename T>
void backward_as(Workers& workers, const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx,
                 bool add_dx, const Parameter& dw, const Parameter& db, std::span<std::byte> scratch) {
  if (!dx.none()) {
    const Matrices pairs(dy, dx);
    for (std::int64_t i = 0; i < pairs.count(); ++i) {
      const Product product{pairs.rows(), w.width, w.rows, pairs.x(i), matrix_of(w), pairs.y(i), {}, add_dx};
      multiply<T>(workers, product, scratch);
    }
  }
  if (!dw.none()) {
    const Matrices pairs(dy, x);
    for (std::int64_t i = 0; i < pairs.count(); ++i) {
      const Product product{dw.rows,    dw.width,      pairs.rows(), transpose(pairs.x(i)),
                            pairs.y(i), matrix_of(dw), {},           true};
      multiply<T>(workers, product, scratch);
    }
  }
  if (!db.none()) add_column_sums<T>(workers, dy, db);
}

}  // namespace

void linear_forward(Workers& workers, const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                    std::span<std::byte> scratch) {
  if (x.dtype == DType::kFloat64) {
    forward_as<double>(workers, x, w, b, y, scratch);
  } else {
    forward_as<float>(workers, x, w, b, y, scratch);
  }
}

void linear_backward(Workers& workers, const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx,
                     bool add_dx, const Parameter& dw, const Parameter& db, std::span<std::byte> scratch) {
  if (dy.dtype == DType::kFloat64) {
    backward_as<double>(workers, x, w, dy, dx, add_dx, dw, db, scratch);
  } else {
    backward_as<float>(workers, x, w, dy, dx, add_dx, dw, db, scratch);
  }
}

}  // namespace lvx::cpu
