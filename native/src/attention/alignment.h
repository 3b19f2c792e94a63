// SPDX-License-Identifier: Apache-2.0
// Whether all rows of a tensor begin at multiples of a number of bytes, so that they can be read by as many.
#pragma once

#include "attention/views.h"

namespace lvx {

inline bool rows_aligned(const Bshd& x, std::int64_t batch, std::int64_t rows, std::int64_t heads,
                         std::int64_t bytes) {
  const auto fits = [&](std::int64_t extent, std::int64_t stride) {
    return extent <= 1 || stride * size_of(x.dtype) % bytes == 0;
  };
  return reinterpret_cast<std::uintptr_t>(x.data) % static_cast<std::uintptr_t>(bytes) == 0 &&
         fits(batch, x.batch_stride) && fits(rows, x.row_stride) && fits(heads, x.head_stride);
}
inline bool queries_aligned(const Problem& p, const Bshd& x, std::int64_t bytes) {
  return rows_aligned(x, p.batch, p.queries, p.query_heads, bytes);
}
inline bool keys_aligned(const Problem& p, const Bshd& x, std::int64_t bytes) {
  return rows_aligned(x, p.batch, p.keys, p.key_heads, bytes);
}

}  // namespace lvx
