// SPDX-License-Identifier: Apache-2.0
// Whether all rows of a tensor are aligned to a number of bytes, so that vector loads of that width are possible.
#pragma once

#include "attention/views.h"

namespace lvx {

inline bool rows_aligned(const Bshd& x, std::int64_t bytes) {
  const auto fits = [&](std::int64_t extent, std::int64_t stride) {
    return extent <= 1 || stride * size_of(x.dtype) % bytes == 0;
  };
  return reinterpret_cast<std::uintptr_t>(x.data) % static_cast<std::uintptr_t>(bytes) == 0 &&
         fits(x.batch, x.batch_stride) && fits(x.rows, x.row_stride) && fits(x.heads, x.head_stride);
}

}  // namespace lvx
