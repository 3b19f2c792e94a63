// SPDX-License-Identifier: Apache-2.0
// The mask of a panel of query rows and a tile of keys: visibility and bias combined to one additive tile, -inf if hidden.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "attention/elements.h"
#include "attention/views.h"
#include "device/cpu/blocking.h"
#include "device/cpu/range_cursor.h"
#include "device/cpu/unit.h"

namespace lvx {

// The visibility of consecutive rows of a unit, one cursor per query.
class RowVisibility {
 public:
  RowVisibility(const Visibility& visibility, const ProblemShape& shape, const Unit& unit,
                std::int64_t row_begin, std::int64_t row_end, RangeCursor* cursors)
      : unit_(unit),
        first_key_(shape.first_key),
        first_query_(unit.query(row_begin)),
        cursors_(cursors),
        everything_(visibility.everything()) {
    if (everything_ || row_begin == row_end) return;
    for (std::int64_t q = first_query_; q <= unit.query(row_end - 1); ++q) {
      cursors_[q - first_query_] = RangeCursor(visibility, unit.batch, q);
    }
  }

  // A copy for the same rows, or some of them, with its own cursors.
  RowVisibility fork(std::int64_t row_begin, std::int64_t row_end, RangeCursor* cursors) const {
    RowVisibility fork = *this;
    fork.first_query_ = unit_.query(row_begin);
    fork.cursors_ = cursors;
    if (!everything_) {
      std::copy(cursors_ + (fork.first_query_ - first_query_),
                cursors_ + (unit_.query(row_end - 1) + 1 - first_query_), cursors);
    }
    return fork;
  }

  // Whether the rows see all, some or none of the local keys [key_begin, key_end). Keys must not decrease between calls.
  Seen advance(std::int64_t row_begin, std::int64_t row_end, std::int64_t key_begin, std::int64_t key_end) {
    if (everything_) return Seen::kEverything;
    bool some = false;
    bool every = true;
    for (std::int64_t q = unit_.query(row_begin); q <= unit_.query(row_end - 1); ++q) {
      const Seen seen = cursors_[q - first_query_].advance(first_key_ + key_begin, first_key_ + key_end);
      some |= seen != Seen::kNothing;
      every &= seen == Seen::kEverything;
    }
    return !some ? Seen::kNothing : every ? Seen::kEverything : Seen::kSome;
  }

  // Sets mask = -inf for hidden keys. Call advance for the same keys first.
  template <typename T>
  void hide(std::int64_t row_begin, std::int64_t row_end, std::int64_t key_begin, std::int64_t key_end,
            T* mask, std::int64_t row_stride, std::int64_t key_stride) const {
    if (everything_) return;
    const std::int64_t first = first_key_ + key_begin;
    for (std::int64_t row = row_begin; row < row_end; ++row) {
      T* at = mask + (row - row_begin) * row_stride;
      cursors_[unit_.query(row) - first_query_].for_hidden(
          first, first_key_ + key_end, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t key = begin; key < end; ++key) {
              at[(key - first) * key_stride] = -std::numeric_limits<T>::infinity();
            }
          });
    }
  }

 private:
  Unit unit_;
  std::int64_t first_key_;
  std::int64_t first_query_;
  RangeCursor* cursors_;
  bool everything_;
};

// The base of a row's biases: 0 if there is no bias_max or the row sees no key.
template <typename T>
T bias_base(const Bhs& bias_max, const Unit& unit, std::int64_t row) {
  if (bias_max.data == nullptr) return T{0};
  const T base = load_element<T>(bias_max.at(unit.batch, unit.head(row), unit.query(row)), bias_max.dtype, 0);
  return base == -std::numeric_limits<T>::infinity() ? T{0} : base;
}

// mask[key, row] = bias - bias_max, 0 without a bias.
template <typename T>
void fill_bias(const Bias& bias, const Bhs& bias_max, const Unit& unit, std::int64_t row_begin,
               std::int64_t row_end, std::int64_t key_begin, std::int64_t key_end, T* mask) {
  const std::int64_t keys = key_end - key_begin;
  if (bias.none()) {
    for (std::int64_t i = 0; i < keys * kPanelRows; ++i) mask[i] = T{0};
    return;
  }
  T line[kTileKeys];
  for (std::int64_t row = row_begin; row < row_end; ++row) {
    load_row(bias.at(unit.batch, unit.head(row), unit.query(row), key_begin), bias.dtype, keys, line);
    const T base = bias_base<T>(bias_max, unit, row);
    for (std::int64_t key = 0; key < keys; ++key) {
      mask[key * kPanelRows + (row - row_begin)] = line[key] - base;
    }
  }
  // The padding rows of the last vector.
  for (std::int64_t row = row_end - row_begin; row < kPanelRows; ++row) {
    for (std::int64_t key = 0; key < keys; ++key) mask[key * kPanelRows + row] = T{0};
  }
}

}  // namespace lvx
