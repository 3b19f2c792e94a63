// SPDX-License-Identifier: Apache-2.0
// Places tensors one after the other in a message, without padding. headDim is a multiple of 8, so each tensor is aligned to its
// element size.
#pragma once

#include <cstddef>
#include <cstdint>

#include "device/problem.h"
#include "group/announcement.h"

namespace lvx {

class MessageCursor {
 public:
  explicit MessageCursor(std::byte* data) : next_(data) {}

  Bshd queries(const ProblemShape& shape, DType dtype) {
    return compact_queries(take(shape.query_elements() * size_of(dtype)), dtype, shape);
  }
  Bhs row_values(const ProblemShape& shape, DType dtype) {
    return compact_row_values(take(shape.rows() * size_of(dtype)), dtype, shape);
  }
  // A partial result for home's queries.
  Partial partial(const ProblemShape& shape, DType o_dtype, const Announcement& home) {
    const DType accumulator = accumulator_of(o_dtype);
    Partial result;
    result.o = queries(shape, o_dtype);
    result.lse = row_values(shape, accumulator);
    if (home.has_bias != 0) result.bias_max = row_values(shape, accumulator);
    return result;
  }
  Bshd keys(const ProblemShape& shape, DType dtype) {
    return compact_keys(take(shape.key_elements() * size_of(dtype)), dtype, shape);
  }
  std::byte* rest() const { return next_; }
  Visibility visibility(const ProblemShape& shape, std::int64_t ranges) {
    return compact_visibility(take(range_bytes(shape, ranges)), shape.batch, shape.queries, ranges);
  }

  // Bytes of the lse of a block of home's queries, in one term or two.
  static std::int64_t lse_bytes(const ProblemShape& shape, DType dtype, const Announcement& home) {
    return (home.has_bias != 0 ? 2 : 1) * shape.rows() * size_of(accumulator_of(dtype));
  }
  static std::int64_t range_bytes(const ProblemShape& shape, std::int64_t ranges) {
    return shape.batch * shape.queries * ranges * 2 * size_of(DType::kInt32);
  }

 private:
  std::byte* take(std::int64_t bytes) {
    std::byte* begin = next_;
    next_ += bytes;
    return begin;
  }

  std::byte* next_;
};

}  // namespace lvx
