// SPDX-License-Identifier: Apache-2.0
// A rank's queries as they lie in a message.
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

  static std::int64_t bytes(const Problem& problem, DType dtype, const Announcement& home) {
    return problem.query_elements() * size_of(dtype) + MessageCursor::range_bytes(problem, home.ranges);
  }

  ForwardBlock() = default;
  ForwardBlock(const Bshd& queries, const Visibility& seen) : q(queries), visibility(seen) {}
  ForwardBlock(const Problem& problem, DType dtype, const Announcement& home, std::byte* message) {
    MessageCursor cursor(message);
    q = cursor.queries(problem, dtype);
    if (home.has_visibility != 0) {
      visibility = compact_visibility(cursor.ranges(problem, home.ranges), problem.queries, home.ranges);
    }
  }

  // Fills the message from the caller's tensors.
  void pack(Device& device, const Problem& problem, const ForwardBlock& from) const {
    device.copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, from.q, q);
    if (!visibility.everything()) {
      device.copy(problem.batch, problem.queries, from.visibility,
                  const_cast<std::int32_t*>(visibility.data));
    }
  }
};

// Backward: q, d_o, the final lse, delta and visibility. Where there is a bias, lse counts from bias_max.
struct BackwardBlock {
  Bshd q, d_o;
  Bhs lse, delta, bias_max;
  Visibility visibility;

  static std::int64_t bytes(const Problem& problem, DType dtype, const Announcement& home) {
    return 2 * problem.query_elements() * size_of(dtype) + MessageCursor::lse_bytes(problem, dtype, home) +
           problem.rows() * size_of(accumulator_of(dtype)) + MessageCursor::range_bytes(problem, home.ranges);
  }

  BackwardBlock() = default;
  // Of a rank's own queries; delta is still to be given.
  explicit BackwardBlock(const AttentionBackward& arguments)
      : q(arguments.q), d_o(arguments.d_o), lse(arguments.lse), visibility(arguments.visibility) {
    if (arguments.bias.none() || arguments.lse_terms.none()) return;
    lse = arguments.lse_terms.rest;
    bias_max = arguments.lse_terms.bias_max;
  }
  BackwardBlock(const Problem& problem, DType dtype, const Announcement& home, std::byte* message) {
    const DType accumulator = accumulator_of(dtype);
    MessageCursor cursor(message);
    q = cursor.queries(problem, dtype);
    d_o = cursor.queries(problem, dtype);
    lse = cursor.row_values(problem, accumulator);
    delta = cursor.row_values(problem, accumulator);
    if (home.has_bias != 0) bias_max = cursor.row_values(problem, accumulator);
    if (home.has_visibility != 0) {
      visibility = compact_visibility(cursor.ranges(problem, home.ranges), problem.queries, home.ranges);
    }
  }

  // Fills the message from the caller's tensors, but for delta, which is computed in its place.
  void pack(Device& device, const Problem& problem, const BackwardBlock& from) const {
    device.copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, from.q, q);
    device.copy(problem.batch, problem.queries, problem.query_heads, problem.head_dim, from.d_o, d_o);
    device.copy(problem.batch, problem.query_heads, problem.queries, from.lse, lse);
    if (bias_max.data != nullptr && from.bias_max.data == nullptr) {
      device.zero(problem, bias_max);
    } else if (bias_max.data != nullptr) {
      device.copy(problem.batch, problem.query_heads, problem.queries, from.bias_max, bias_max);
    }
    if (!visibility.everything()) {
      device.copy(problem.batch, problem.queries, from.visibility,
                  const_cast<std::int32_t*>(visibility.data));
    }
  }
};

}  // namespace lvx
