// SPDX-License-Identifier: Apache-2.0
// The largest bias of the keys that a row sees; its logits and its lse are relative to it.
#pragma once

#include "device/cpu/thread_pool.h"
#include "device/problem.h"

namespace lvx::cpu {

// Before forward's kernels. Overwrites out.bias_max by the largest bias of the call's keys; if results are merged,
// raises it to that and makes out's lse relative to it.
void set_bias_max(ThreadTeam& team, const ForwardProblem& problem);

}  // namespace lvx::cpu
