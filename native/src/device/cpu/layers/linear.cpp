// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/layers/linear.h"

#include <algorithm>

#include "attention/elements.h"
#include "device/cpu/blocking.h"
#include "device/cpu/layers/product.h"

namespace lvx::cpu {
namespace {

// db += column sums of dy. Each task has its own columns, so that db is always summed in the same order.
template <typename T>
void add_column_sums(ThreadTeam& team, const Rows& dy, const Parameter& db) {
  constexpr std::int64_t kColumns = 64;
  team.run(divide_up(dy.width, kColumns), [&](std::int64_t index, int) {
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
void forward_as(ThreadTeam& team, const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                std::span<std::byte> scratch) {
  for_products_of_forward(x, w, b, y, [&](const Product& product) { multiply<T>(team, product, scratch); });
}

template <typename T>
void backward_as(ThreadTeam& team, const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx,
                 bool add_dx, const Parameter& dw, const Parameter& db, std::span<std::byte> scratch) {
  for_products_of_backward(x, w, dy, dx, add_dx, dw,
                           [&](const Product& product) { multiply<T>(team, product, scratch); });
  if (!db.none()) add_column_sums<T>(team, dy, db);
}

}  // namespace

void linear_forward(ThreadTeam& team, const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                    std::span<std::byte> scratch) {
  if (x.dtype == DType::kFloat64) {
    forward_as<double>(team, x, w, b, y, scratch);
  } else {
    forward_as<float>(team, x, w, b, y, scratch);
  }
}

void linear_backward(ThreadTeam& team, const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx,
                     bool add_dx, const Parameter& dw, const Parameter& db, std::span<std::byte> scratch) {
  if (dy.dtype == DType::kFloat64) {
    backward_as<double>(team, x, w, dy, dx, add_dx, dw, db, scratch);
  } else {
    backward_as<float>(team, x, w, dy, dx, add_dx, dw, db, scratch);
  }
}

}  // namespace lvx::cpu
