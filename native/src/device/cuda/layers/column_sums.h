// SPDX-License-Identifier: Apache-2.0
// Gradients of parameters that are sums over rows, in two kernels with partial sums in memory between them.
#pragma once

#include "device/cuda/collective/row_blocks.h"
#include "device/cuda/kernel/layer_params.h"
#include "device/cuda/launch/kernels.h"

namespace lvx::cuda {

template <typename T, typename Term>
void sum_columns(const Queue& queue, const Term& term, std::int64_t rows, std::int64_t width,
                 std::int64_t parts, double* sums, bool add) {
  launch<ColumnSums<T, Term>>(queue, sum_tiles(width) * parts,
                              ColumnSumParams<Term>{term, rows, width, parts, sums, add});
}

inline void add_column_sums(const Queue& queue, const double* sums, std::int64_t width, std::int64_t parts,
                            const Parameter& to, const Parameter& gate) {
  launch<AddColumnSums>(queue, divide_up(width, kRowThreads),
                        AddColumnSumsParams{sums, width, parts, to, gate});
}

}  // namespace lvx::cuda
