// SPDX-License-Identifier: Apache-2.0
// Two-level sums of the gradients of a projection's parameters over very many rows of features. A group of rows is accumulated
// in float32, in the caller's tensors. The previous values of these tensors and the groups are accumulated in float64. If all
// rows fit one group, no memory is needed for totals.
#pragma once

#include <vector>

#include "device/device.h"
#include "recompute/projection.h"
#include "recompute/tile_sum.h"
#include "schedule/workspace.h"

namespace lvx {

class GradientSums {
 public:
  // rows: of all tiles; tile_rows: of one tile. Both count all batch items.
  GradientSums(Device& device, const ProjectionGradients& gradients, std::int64_t rows,
               std::int64_t tile_rows, DType accumulator);

  static constexpr std::int64_t kRowsOfTerm =
      256;  // a product adds to the sum at least once per this many rows
  static constexpr std::int64_t kRowsOfGroup = kTermsOfGroup * kRowsOfTerm;

  void reserve(Workspace& workspace);
  // To be called before rows are added. Only the first call has an effect.
  void begin(const Workspace& workspace);
  // To be called before this many rows, at most kRowsOfGroup, are added to the caller's tensors.
  void make_room(std::int64_t rows);
  // Writes the complete sums to the caller's tensors.
  void finish();

 private:
  struct Total {
    Parameter gradient;
    Workspace::Piece piece{};
    Parameter sum{};
  };

  void copy(const Parameter& from, const Parameter& to);
  void add(const Parameter& from, const Parameter& to);
  void zero(const Parameter& gradient);

  Device& device_;
  std::vector<Total> totals_;  // empty if one group suffices
  std::int64_t terms_ = 0;     // in the current group
  bool begun_ = false;
};

}  // namespace lvx
