// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/cpu/workers.h"
#include "device/layers.h"

namespace lvx::cpu {

void swiglu_forward(Workers& workers, const Rows& gate, const Rows& up, const Rows& y);
void swiglu_backward(Workers& workers, const Rows& gate, const Rows& up, const Rows& dy, const Rows& dgate,
                     const Rows& dup);
void gelu_forward(Workers& workers, const Rows& x, const Rows& y);
void gelu_backward(Workers& workers, const Rows& x, const Rows& dy, const Rows& dx);

}  // namespace lvx::cpu
