// SPDX-License-Identifier: Apache-2.0
// The largest bias of the keys that a row sees: what its logits and its lse count from.
#pragma once

#include "device/cpu/workers.h"
#include "device/device.h"

namespace lvx::cpu {

// Before forward's kernels. Overwrites out.bias_max by the largest bias of the call's keys; where results are merged,
// raises it to that and lets the lse that out holds count from it.
void set_bias_max(Workers& workers, const ForwardArguments& arguments);

}  // namespace lvx::cpu
