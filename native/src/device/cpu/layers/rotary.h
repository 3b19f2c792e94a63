// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/cpu/workers.h"
#include "device/layers.h"

namespace lvx::cpu {

void rotary(Workers& workers, double theta, bool inverse, std::int64_t batch, std::int64_t rows,
            std::int64_t heads, std::int64_t dim, const Bshd& x, const RowIntegers& positions, const Bshd& y);

}  // namespace lvx::cpu
