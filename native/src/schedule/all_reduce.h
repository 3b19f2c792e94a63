// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "group/group.h"

namespace lvx {

// Replaces contiguous float32 or float64 elements by their sums over the ranks. The order of summation depends only on the
// number of ranks, and all ranks get the same bits.
void all_reduce(Group& group, std::byte* data, DType dtype, std::int64_t elements);

}  // namespace lvx
