// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/cpu/thread_pool.h"
#include "device/layers.h"

namespace lvx::cpu {

void swiglu_forward(ThreadTeam& team, const Rows& gate, const Rows& up, const Rows& y);
void swiglu_backward(ThreadTeam& team, const Rows& gate, const Rows& up, const Rows& dy, const Rows& dgate,
                     const Rows& dup);
void gelu_forward(ThreadTeam& team, const Rows& x, const Rows& y);
void gelu_backward(ThreadTeam& team, const Rows& x, const Rows& dy, const Rows& dx);

}  // namespace lvx::cpu
