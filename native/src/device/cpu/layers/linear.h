// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "device/cpu/thread_pool.h"
#include "device/layers.h"

namespace lvx::cpu {

void linear_forward(ThreadTeam& team, const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                    std::span<std::byte> scratch);
void linear_backward(ThreadTeam& team, const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx,
                     bool add_dx, const Parameter& dw, const Parameter& db, std::span<std::byte> scratch);

}  // namespace lvx::cpu
