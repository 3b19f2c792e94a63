// SPDX-License-Identifier: Apache-2.0
// Rotary embedding (arXiv 2104.09864). The two elements of a pair are half a head apart.
#include "device/cpu/layers/rotary.h"

#include <cmath>

#include "attention/elements.h"
#include "device/cpu/blocking.h"
#include "device/cpu/for_each.h"

namespace lvx::cpu {
namespace {

// Sines and cosines of one position's angles. They are cached, because adjacent rows often share a position: the rows of an
// image do.
template <typename T>
class Angles {
 public:
  Angles(const double* frequencies, std::int64_t pairs, bool inverse)
      : frequencies_(frequencies), pairs_(pairs), inverse_(inverse) {}

  void turn_to(std::int32_t position) {
    if (known_ && position == position_) return;
    known_ = true;
    position_ = position;
    for (std::int64_t i = 0; i < pairs_; ++i) {
      const double angle = position * frequencies_[i];
      cosines[i] = static_cast<T>(std::cos(angle));
      sines[i] = static_cast<T>(inverse_ ? -std::sin(angle) : std::sin(angle));
    }
  }

  T cosines[kMaxHeadDim / 2] = {};
  T sines[kMaxHeadDim / 2] = {};

 private:
  const double* frequencies_;
  std::int64_t pairs_;
  bool inverse_;
  bool known_ = false;
  std::int32_t position_ = 0;
};

template <typename T>
void rotary_as(ThreadTeam& team, double theta, bool inverse, const Bshd& x, const RowIntegers& positions,
               const Bshd& y) {
  const std::int64_t dim = x.dim;
  const std::int64_t pairs = dim / 2;
  double frequencies[kMaxHeadDim / 2];
  for (std::int64_t i = 0; i < pairs; ++i) {
    frequencies[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(dim));
  }
  for_each_run(team, x.batch * x.rows, x.heads * dim, [&](std::int64_t begin, std::int64_t end) {
    Angles<T> angles(frequencies, pairs, inverse);
    T from[kMaxHeadDim], to[kMaxHeadDim];
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t item = i / x.rows;
      const std::int64_t row = i % x.rows;
      angles.turn_to(positions.at(item, row));
      for (std::int64_t head = 0; head < x.heads; ++head) {
        load_row(x.at(item, row, head), x.dtype, dim, from);
        for (std::int64_t p = 0; p < pairs; ++p) {
          to[p] = from[p] * angles.cosines[p] - from[p + pairs] * angles.sines[p];
          to[p + pairs] = from[p + pairs] * angles.cosines[p] + from[p] * angles.sines[p];
        }
        store_row(to, dim, y.at(item, row, head), y.dtype);
      }
    }
  });
}

}  // namespace

void rotary(ThreadTeam& team, double theta, bool inverse, const Bshd& x, const RowIntegers& positions,
            const Bshd& y) {
  if (x.dtype == DType::kFloat64) {
    rotary_as<double>(team, theta, inverse, x, positions, y);
  } else {
    rotary_as<float>(team, theta, inverse, x, positions, y);
  }
}

}  // namespace lvx::cpu
