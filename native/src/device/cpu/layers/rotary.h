// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/cpu/thread_pool.h"
#include "device/layers.h"

namespace lvx::cpu {

void rotary(ThreadTeam& team, double theta, bool inverse, const Bshd& x, const RowIntegers& positions,
            const Bshd& y);

}  // namespace lvx::cpu
