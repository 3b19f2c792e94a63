// SPDX-License-Identifier: Apache-2.0
// The blocks of a rank's queries, as messages.
#pragma once

#include "device/device.h"
#include "group/announcement.h"
#include "schedule/attention_call.h"
#include "schedule/message.h"

namespace lvx {

// Forward: q and its visibility.
struct ForwardBlock {
  Bshd q;
  Visibility visibility;

  static std::int64_t bytes(const ProblemShape& shape, DType dtype, const Announcement& home) {
    return shape.query_elements() * size_of(dtype) + MessageCursor::range_bytes(shape, home.ranges);
  }

  ForwardBlock() = default;
  ForwardBlock(const Bshd& queries, const Visibility& seen) : q(queries), visibility(seen) {}
  ForwardBlock(const ProblemShape& shape, DType dtype, const Announcement& home, std::byte* message) {
    MessageCursor cursor(message);
    q = cursor.queries(shape, dtype);
    if (home.has_visibility != 0) {
      visibility = cursor.visibility(shape, home.ranges);
    }
  }

  // Fills the message from the caller's tensors.
  void pack(Device& device, const ForwardBlock& from) const {
    device.copy(from.q, q);
    if (!visibility.everything()) {
      device.copy(from.visibility, const_cast<std::int32_t*>(visibility.data));
    }
  }
};

// Backward: q, d_o, the final lse, delta and visibility. If there is a bias, lse is relative to bias_max.
struct BackwardBlock {
  Bshd q, d_o;
  Bhs lse, delta, bias_max;
  Visibility visibility;

  static std::int64_t bytes(const ProblemShape& shape, DType dtype, const Announcement& home) {
    return 2 * shape.query_elements() * size_of(dtype) + MessageCursor::lse_bytes(shape, dtype, home) +
           shape.rows() * size_of(accumulator_of(dtype)) + MessageCursor::range_bytes(shape, home.ranges);
  }

  BackwardBlock() = default;
  // Views of a rank's own queries. The caller must set delta.
  explicit BackwardBlock(const BackwardCall& call)
      : q(call.q), d_o(call.d_o), lse(call.lse), visibility(call.visibility) {
    if (call.bias.none() || call.lse_terms.none()) return;
    lse = call.lse_terms.rest;
    bias_max = call.lse_terms.bias_max;
  }
  BackwardBlock(const ProblemShape& shape, DType dtype, const Announcement& home, std::byte* message) {
    const DType accumulator = accumulator_of(dtype);
    MessageCursor cursor(message);
    q = cursor.queries(shape, dtype);
    d_o = cursor.queries(shape, dtype);
    lse = cursor.row_values(shape, accumulator);
    delta = cursor.row_values(shape, accumulator);
    if (home.has_bias != 0) bias_max = cursor.row_values(shape, accumulator);
    if (home.has_visibility != 0) {
      visibility = cursor.visibility(shape, home.ranges);
    }
  }

  // Fills the message from the caller's tensors, except delta, which is computed in the message.
  void pack(Device& device, const BackwardBlock& from) const {
    device.copy(from.q, q);
    device.copy(from.d_o, d_o);
    device.copy(from.lse, lse);
    if (bias_max.data != nullptr && from.bias_max.data == nullptr) {
      device.zero(bias_max);
    } else if (bias_max.data != nullptr) {
      device.copy(from.bias_max, bias_max);
    }
    if (!visibility.everything()) {
      device.copy(from.visibility, const_cast<std::int32_t*>(visibility.data));
    }
  }
};

}  // namespace lvx
