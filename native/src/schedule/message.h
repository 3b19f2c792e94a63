// SPDX-License-Identifier: Apache-2.0
// Lays tensors end to end in a message, without padding: headDim is a multiple of 8, so each part stays aligned to its
// element size.
#pragma once

#include <cstddef>
#include <cstdint>

#include "device/device.h"
#include "group/announcement.h"

namespace lvx {

class MessageCursor {
 public:
  explicit MessageCursor(std::byte* data) : next_(data) {}

  Bshd queries(const Problem& problem, DType dtype) {
    return compact_bshd(take(problem.query_elements() * size_of(dtype)), dtype, problem.queries,
                        problem.query_heads, problem.head_dim);
  }
  Bhs row_values(const Problem& problem, DType dtype) {
    return compact_bhs(take(problem.rows() * size_of(dtype)), dtype, problem.query_heads, problem.queries);
  }
  // A partial result; home is whose queries it is of.
  Partial partial(const Problem& problem, DType o_dtype, const Announcement& home) {
    const DType accumulator = accumulator_of(o_dtype);
    Partial result;
    result.o = queries(problem, o_dtype);
    result.lse = row_values(problem, accumulator);
    if (home.has_bias != 0) result.bias_max = row_values(problem, accumulator);
    return result;
  }
  Bshd keys(const Problem& problem, DType dtype) {
    return compact_bshd(take(problem.key_elements() * size_of(dtype)), dtype, problem.keys, problem.key_heads,
                        problem.head_dim);
  }
  std::byte* rest() const { return next_; }
  std::int32_t* ranges(const Problem& problem, std::int64_t ranges) {
    return reinterpret_cast<std::int32_t*>(take(range_bytes(problem, ranges)));
  }

  // Of the lse of a block of home's queries, in one term or two.
  static std::int64_t lse_bytes(const Problem& problem, DType dtype, const Announcement& home) {
    return (home.has_bias != 0 ? 2 : 1) * problem.rows() * size_of(accumulator_of(dtype));
  }
  static std::int64_t range_bytes(const Problem& problem, std::int64_t ranges) {
    return problem.batch * problem.queries * ranges * 2 * size_of(DType::kInt32);
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
