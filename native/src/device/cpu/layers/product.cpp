// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/layers/product.h"

#include <algorithm>
#include <type_traits>

#include "attention/elements.h"
#include "device/cpu/blas.h"
#include "device/cpu/blocking.h"
#include "device/cpu/layers/convert.h"
#include "device/cpu/scratch.h"
#include "device/cpu/scratch_check.h"

namespace lvx::cpu {
namespace {

struct Tile {
  std::int64_t m, n, k;
};

constexpr Tile kConverted{128, 256, 512};                 // in single precision: stays in a core's L2
constexpr std::int64_t kLongest = std::int64_t{1} << 30;  // the BLAS has 32-bit sizes
constexpr std::int64_t kLeast = 32;                       // a narrower tile is not worth a task
constexpr std::int64_t kFewRows = 4;                      // with up to this many rows, reading B dominates
constexpr std::int64_t kRowsOfSum =
    256;  // terms of a gradient that the BLAS may add up in float32 without a break

template <typename T>
bool is_native(DType dtype) {
  return dtype == (std::is_same_v<T, double> ? DType::kFloat64 : DType::kFloat32);
}

template <typename T>
bool converts(const Product& p) {
  return !is_native<T>(p.a.dtype) || !is_native<T>(p.b.dtype) || !is_native<T>(p.c.dtype);
}

bool has_few_rows(const Product& p) { return p.m <= kFewRows && !p.a.transposed; }

std::int64_t tiles_in(const Product& p, const Tile& tile) {
  return divide_up(p.m, tile.m) * divide_up(p.n, tile.n);
}

// Halves the longer side until there are several pieces per thread, because threads are seldom equally fast.
Tile tile_of(const Product& p, bool converted, int threads) {
  Tile tile{std::min(p.m, kLongest), std::min(p.n, kLongest), std::min(p.k, kLongest)};
  if (converted) {
    tile = {std::min(p.m, kConverted.m), std::min(p.n, kConverted.n), std::min(p.k, kConverted.k)};
  } else if (has_few_rows(p) && p.m > 1) {
    tile = {p.m, std::min<std::int64_t>(p.n, 256),
            std::min<std::int64_t>(p.k, 256)};  // read m times, so cached
  }
  const auto half = [](std::int64_t extent) { return round_up(divide_up(extent, 2), 16); };
  while (threads > 1 && tiles_in(p, tile) < std::int64_t{4} * threads) {
    std::int64_t& longer = tile.m > tile.n ? tile.m : tile.n;
    if (longer <= kLeast) break;
    longer = half(longer);
  }
  return tile;
}

template <typename T>
struct Operand {
  const T* data;
  std::int64_t ld;
  bool transposed;
};

// The part of the matrix that begins at (row, column): in place, or converted to single precision in room.
template <typename T>
Operand<T> part_of(const Matrix& x, std::int64_t row, std::int64_t column, std::int64_t rows,
                   std::int64_t columns, T* room) {
  if (is_native<T>(x.dtype)) return {reinterpret_cast<const T*>(x.at(row, column)), x.ld, x.transposed};
  const std::int64_t lines = x.transposed ? columns : rows;
  const std::int64_t length = x.transposed ? rows : columns;
  if constexpr (std::is_same_v<T, float>) {
    convert_lines(x.at(row, column), x.dtype, x.ld * size_of(x.dtype), lines, length, room);
  }
  return {room, length, x.transposed};
}

template <typename T>
class TileOfProduct {
 public:
  TileOfProduct(const Product& p, const Tile& tile, std::int64_t index)
      : p_(p),
        step_(std::is_same_v<T, float> && p.a.transposed ? std::min(tile.k, kRowsOfSum) : tile.k),
        row_(index / divide_up(p.n, tile.n) * tile.m),
        column_(index % divide_up(p.n, tile.n) * tile.n),
        m_(std::min(tile.m, p.m - row_)),
        n_(std::min(tile.n, p.n - column_)) {}

  void compute(Scratch scratch) {
    T* const room_a = scratch.take<T>(kConverted.m * kConverted.k);
    T* const room_b = scratch.take<T>(kConverted.n * kConverted.k);
    T* const room_c = scratch.take<T>(kConverted.m * kConverted.n);
    const bool in_place = is_native<T>(p_.c.dtype);
    T* const c = in_place ? reinterpret_cast<T*>(p_.c.at(row_, column_)) : room_c;
    const std::int64_t ldc = in_place ? p_.c.ld : n_;
    begin(c, ldc);
    for (std::int64_t k = 0; k < p_.k; k += step_) {
      const std::int64_t depth = std::min(step_, p_.k - k);
      add_product(depth, part_of(p_.a, row_, k, m_, depth, room_a),
                  part_of(p_.b, k, column_, depth, n_, room_b), c, ldc);
    }
    if (in_place) return;
    for (std::int64_t i = 0; i < m_; ++i) store_row(c + i * ldc, n_, p_.c.at(row_ + i, column_), p_.c.dtype);
  }

 private:
  void begin(T* c, std::int64_t ldc) const {
    for (std::int64_t i = 0; i < m_; ++i) {
      T* const line = c + i * ldc;
      if (p_.add) {
        if (!is_native<T>(p_.c.dtype)) load_row(p_.c.at(row_ + i, column_), p_.c.dtype, n_, line);
      } else if (!p_.bias.none()) {
        load_row(p_.bias.data + column_ * size_of(p_.bias.dtype), p_.bias.dtype, n_, line);
      } else {
        std::fill_n(line, n_, T{0});
      }
    }
  }

  void add_product(std::int64_t depth, const Operand<T>& a, const Operand<T>& b, T* c,
                   std::int64_t ldc) const {
    if (!has_few_rows(p_)) {
      blas::gemm(a.transposed, b.transposed, m_, n_, depth, a.data, a.ld, b.data, b.ld, c, ldc);
      return;
    }
    for (std::int64_t i = 0; i < m_; ++i) {
      if (b.transposed) {
        blas::gemv(false, n_, depth, b.data, b.ld, a.data + i * a.ld, c + i * ldc);
      } else {
        blas::gemv(true, depth, n_, b.data, b.ld, a.data + i * a.ld, c + i * ldc);
      }
    }
  }

  const Product& p_;
  std::int64_t step_;
  std::int64_t row_, column_;
  std::int64_t m_, n_;
};

// Bytes of scratch per thread.
template <typename T>
std::size_t room_of_thread() {
  Scratch counter;
  counter.take<T>(kConverted.m * kConverted.k);
  counter.take<T>(kConverted.n * kConverted.k);
  counter.take<T>(kConverted.m * kConverted.n);
  return counter.used();
}

}  // namespace

std::size_t conversion_scratch(int threads) {
  return static_cast<std::size_t>(threads) * room_of_thread<float>();
}

template <typename T>
void multiply(ThreadTeam& team, const Product& product, std::span<std::byte> scratch) {
  if (product.m == 0 || product.n == 0) return;
  const bool converted = converts<T>(product);
  if (converted && std::is_same_v<T, double>) {
    throw Error(LVX_INTERNAL, "a product in float64 has operands of float64 only");
  }
  if (converted) require_scratch("a product", conversion_scratch(team.threads()), scratch.size());
  const Tile tile = tile_of(product, converted, team.threads());
  team.run(tiles_in(product, tile), [&](std::int64_t index, int slot) {
    std::byte* const room =
        converted ? scratch.data() + static_cast<std::size_t>(slot) * room_of_thread<float>() : nullptr;
    TileOfProduct<T>(product, tile, index).compute(Scratch(room));
  });
}

template void multiply<float>(ThreadTeam& team, const Product& product, std::span<std::byte> scratch);
template void multiply<double>(ThreadTeam& team, const Product& product, std::span<std::byte> scratch);

}  // namespace lvx::cpu
