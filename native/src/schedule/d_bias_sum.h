// SPDX-License-Identifier: Apache-2.0
// Where the gradient of a rank's bias is accumulated: in the caller's tensor if its dtype is wide enough, else in the
// workspace.
#pragma once

#include "schedule/attention_call.h"
#include "schedule/workspace.h"

namespace lvx {

class DBiasSum {
 public:
  explicit DBiasSum(const BackwardCall& call)
      : wanted_(call.d_bias),
        dtype_(accumulator_of(call.q.dtype)),
        apart_(!wanted_.none() && (wanted_.dtype != dtype_ || !is_compact())) {}

  void reserve(Workspace& workspace) {
    if (apart_) piece_ = workspace.reserve(bytes());
  }
  // The zeroed accumulator; absent if the gradient is not wanted.
  Bias begin(Device& device, const Workspace& workspace) {
    if (wanted_.none()) return {};
    sum_ = apart_ ? compact(workspace.at(piece_)) : wanted_;
    device.zero(sum_.data, static_cast<std::size_t>(bytes()));
    return sum_;
  }
  void finish(Device& device) const {
    if (apart_) device.copy(as_bshd(sum_), as_bshd(wanted_));
  }

 private:
  std::int64_t bytes() const { return wanted_.elements() * size_of(dtype_); }
  Bias compact(std::byte* data) const {
    return compact_bias(data, dtype_, wanted_.batch, wanted_.heads, wanted_.rows, wanted_.keys);
  }
  bool is_compact() const {
    const Bias as_wished = compact(wanted_.data);
    return wanted_.batch_stride == as_wished.batch_stride && wanted_.head_stride == as_wished.head_stride &&
           wanted_.row_stride == as_wished.row_stride;
  }

  Bias wanted_;
  DType dtype_;
  bool apart_;
  Workspace::Piece piece_{};
  Bias sum_;
};

}  // namespace lvx
