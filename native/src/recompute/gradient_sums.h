// SPDX-License-Identifier: Apache-2.0
// Gradients of a projection's parameters over very many rows of features, in two levels: a group of rows is added up in
// float32, in the caller's tensors; what those held before and the groups are added up in float64. Few rows are one group,
// and need no memory for totals.
#pragma once

#include <vector>

#include "device/device.h"
#include "recompute/projection.h"
#include "recompute/tile_sum.h"
#include "schedule/workspace.h"

namespace lvx {

class GradientSums {
 public:
  // rows: of all tiles; tile_rows: of one; both of all batch items.
  GradientSums(Device& device, const ProjectionGradients& gradients, std::int64_t rows,
               std::int64_t tile_rows, DType accumulator);

  static constexpr std::int64_t kRowsOfTerm =
      256;  // a product adds to the sum once for so many, or more often
  static constexpr std::int64_t kRowsOfGroup = kTermsOfGroup * kRowsOfTerm;

  void reserve(Workspace& workspace);
  // Before rows are added; only the first call does anything.
  void begin(const Workspace& workspace);
  // So many rows are about to be added to the caller's tensors, kRowsOfGroup at most.
  void make_room(std::int64_t rows);
  // Puts the whole into the caller's tensors.
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
  std::vector<Total> totals_;  // none where no groups are needed
  std::int64_t terms_ = 0;     // in the group
  bool begun_ = false;
};

}  // namespace lvx
