// SPDX-License-Identifier: Apache-2.0
// Linear maps. Uses the library's product if the library supports the operands. No library multiplies half precision by float32:
// such operands are converted and multiplied tile by tile in float32.
#include <algorithm>

#include "base/error.h"
#include "device/cpu/scratch.h"
#include "device/cpu/scratch_check.h"
#include "device/cuda/launch/tensors.h"
#include "device/cuda/layers/column_sums.h"
#include "device/cuda/layers/cuda_layers.h"
#include "device/cuda/layers/in_accumulator.h"

namespace lvx::cuda {
namespace {

constexpr std::int64_t kTile = 2048;  // rows or columns converted at a time: enough work for a GPU

std::int64_t tile_elements(std::int64_t rows, std::int64_t columns) {
  return std::min(rows, kTile) * std::min(columns, kTile);
}

struct Room {
  std::span<std::byte> workspace;
  double* sums;
  std::byte* tiles;  // the three tiles of one product; all products need the same number of bytes
  float* a = nullptr;
  float* b = nullptr;
  float* c = nullptr;
  std::size_t bytes;

  Room(std::byte* memory, std::size_t workspace_bytes, std::int64_t rows, std::int64_t in, std::int64_t out,
       DType dtype) {
    Scratch scratch(memory);
    workspace = {scratch.take<std::byte>(static_cast<std::int64_t>(workspace_bytes)), workspace_bytes};
    sums = scratch.take<double>(sums_of(out));
    tiles = memory == nullptr ? nullptr : memory + scratch.used();
    if (size_of(dtype) == 2) {
      scratch.take<float>(tile_elements(rows, in));
      scratch.take<float>(tile_elements(out, in));
      scratch.take<float>(tile_elements(rows, out));
    }
    bytes = scratch.used();
  }

  // Bytes for the tiles of one product.
  void lay_out(const Product& p) {
    Scratch scratch(tiles);
    a = scratch.take<float>(tile_elements(p.m, p.k));
    b = scratch.take<float>(tile_elements(p.k, p.n));
    c = scratch.take<float>(tile_elements(p.m, p.n));
  }
};

// to = from, elementwise; both have the same storage order.
void convert(const Queue& queue, std::int64_t lines, std::int64_t length, const Matrix& from,
             const Matrix& to) {
  const auto as_bshd = [&](const Matrix& x) {
    return Bshd{x.data, x.dtype, 1, lines, 1, length, 0, x.ld, 0};
  };
  copy(queue, as_bshd(from), as_bshd(to), false);
}

// Writes the initial C into c. Returns whether products are added to it.
bool begin(const Queue& queue, std::int64_t m, std::int64_t n, const Parameter& bias, bool add,
           const Matrix& c) {
  if (add || bias.none()) return add;
  convert(queue, m, n, Matrix{bias.data, bias.dtype, 0}, c);  // ld = 0 broadcasts the bias to all rows
  return true;
}

class LinearProducts {
 public:
  LinearProducts(const Queue& queue, Products& products, const Room& room)
      : queue_(queue), products_(products), room_(room) {}

  void multiply(const Product& p) {
    if (p.m == 0 || p.n == 0) return;
    if (p.k == 0) return multiply_nothing(p);
    if (Products::takes(p.a.dtype, p.b.dtype, p.c.dtype) && (p.bias.none() || p.bias.dtype == p.c.dtype)) {
      Product plain = p;
      plain.bias = {};
      plain.add = begin(queue_, p.m, p.n, p.bias, p.add, p.c);
      products_.multiply(queue_, plain, room_.workspace);
    } else {
      for (const Matrix* x : {&p.a, &p.b, &p.c}) {
        if (x->dtype == DType::kFloat64) {
          throw Error(LVX_INTERNAL, "a product in float64 has operands of float64 only");
        }
      }
      room_.lay_out(p);
      for (std::int64_t i = 0; i < p.m; i += kTile) {
        for (std::int64_t j = 0; j < p.n; j += kTile) multiply_tile(p, i, j);
      }
    }
  }

 private:
  void multiply_nothing(const Product& p) {
    if (begin(queue_, p.m, p.n, p.bias, p.add, p.c)) return;
    const Rows c{p.c.data, p.c.dtype, 1, p.m, p.n, 0, p.c.ld};
    in_accumulator(c.dtype, [&]<typename T>(T) {
      launch<ClearRows<T>>(queue_, piece_blocks(p.m, p.n), ClearRowsParams{{}, true, c});
    });
  }

  // The tile of C that begins at (row, column).
  void multiply_tile(const Product& p, std::int64_t row, std::int64_t column) {
    const std::int64_t m = std::min(kTile, p.m - row);
    const std::int64_t n = std::min(kTile, p.n - column);
    const Matrix whole{p.c.at(row, column), p.c.dtype, p.c.ld};
    const bool in_place = p.c.dtype == DType::kFloat32;
    const Matrix c = in_place ? whole : Matrix{reinterpret_cast<std::byte*>(room_.c), DType::kFloat32, n};
    if (p.add && !in_place) convert(queue_, m, n, whole, c);
    Parameter bias = p.bias;
    if (!bias.none()) bias.data += column * size_of(bias.dtype);
    bool add = begin(queue_, m, n, bias, p.add, c);
    for (std::int64_t depth = 0; depth < p.k; depth += kTile) {
      const std::int64_t k = std::min(kTile, p.k - depth);
      const Product part{m,
                         n,
                         k,
                         in_float32(p.a, row, depth, m, k, room_.a),
                         in_float32(p.b, depth, column, k, n, room_.b),
                         c,
                         {},
                         add};
      products_.multiply(queue_, part, room_.workspace);
      add = true;
    }
    if (!in_place) convert(queue_, m, n, c, whole);
  }

  // The tile of x that begins at (row, column): in place, or converted into memory.
  Matrix in_float32(const Matrix& x, std::int64_t row, std::int64_t column, std::int64_t rows,
                    std::int64_t columns, float* memory) const {
    const Matrix part{x.at(row, column), x.dtype, x.ld, x.transposed};
    if (x.dtype == DType::kFloat32) return part;
    const std::int64_t lines = x.transposed ? columns : rows;
    const std::int64_t length = x.transposed ? rows : columns;
    const Matrix to{reinterpret_cast<std::byte*>(memory), DType::kFloat32, length, x.transposed};
    convert(queue_, lines, length, part, to);
    return to;
  }

  Queue queue_;
  Products& products_;
  Room room_;
};

}  // namespace

Products& CudaLayers::products() const {
  if (products_ == nullptr) products_ = make_products_();
  return *products_;
}

std::size_t CudaLayers::linear_scratch(std::int64_t rows, std::int64_t in, std::int64_t out,
                                       DType dtype) const {
  return Room(nullptr, products().workspace(), rows, in, out, dtype).bytes;
}

void CudaLayers::linear_forward(const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                                std::span<std::byte> scratch) {
  const Queue queue = queue_();
  const Room room(scratch.data(), products().workspace(), x.batch * x.rows, w.width, w.rows, x.dtype);
  require_scratch("a linear map", room.bytes, scratch.size());
  LinearProducts products(queue, this->products(), room);
  for_products_of_forward(x, w, b, y, [&](const Product& product) { products.multiply(product); });
}

void CudaLayers::linear_backward(const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx,
                                 bool add_dx, const Parameter& dw, const Parameter& db,
                                 std::span<std::byte> scratch) {
  const Queue queue = queue_();
  // Gradients may be float32 where rows and parameters are of half precision.
  DType dtype = dy.dtype;
  for (const DType other : {w.dtype, x.none() ? dtype : x.dtype}) {
    if (size_of(other) < size_of(dtype)) dtype = other;
  }
  const Room room(scratch.data(), products().workspace(), dy.batch * dy.rows, w.width, w.rows, dtype);
  require_scratch("backward of a linear map", room.bytes, scratch.size());
  LinearProducts products(queue, this->products(), room);
  for_products_of_backward(x, w, dy, dx, add_dx, dw,
                           [&](const Product& product) { products.multiply(product); });
  if (db.none()) return;
  const std::int64_t rows = dy.batch * dy.rows;
  const std::int64_t parts = sum_parts(rows, dy.width);
  in_accumulator(dy.dtype, [&]<typename T>(T) {
    sum_columns<T>(queue, RowsTerm{dy}, rows, dy.width, parts, room.sums, false);
  });
  add_column_sums(queue, room.sums, dy.width, parts, db, {});
}

}  // namespace lvx::cuda
