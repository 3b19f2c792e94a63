// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "device/cpu/thread_pool.h"
#include "device/layers.h"

namespace lvx::cpu {

std::size_t norm_scratch(std::int64_t width);
void norm_forward(ThreadTeam& team, const Norm& norm, const Bshd& x, const Bshd& y);
void norm_backward(ThreadTeam& team, const Norm& norm, const Bshd& x, const Bshd& dy, const Bshd& dx,
                   bool add_dx, const Parameter& dweight, const Parameter& dbias,
                   std::span<std::byte> scratch);

}  // namespace lvx::cpu
