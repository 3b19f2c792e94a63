// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "group/group.h"

namespace lvx {

// Replaces elements of float32 or float64, one after the other, by their sums over the ranks. The order of each sum
// depends on the number of ranks alone, and all ranks get the same bits.
void all_reduce(Group& group, std::byte* data, DType dtype, std::int64_t elements);

}  // namespace lvx
