// SPDX-License-Identifier: Apache-2.0
// The largest bias of the keys that a row sees. The row's logits and lse are relative to it.
#pragma once

#include "device/cpu/thread_pool.h"
#include "device/problem.h"

namespace lvx::cpu {

// Runs before forward's kernels. Sets out.bias_max to the largest bias of the call's keys. If results are merged, sets it to
// the larger of that and its old value, and makes out's lse relative to the new value.
void set_bias_max(ThreadTeam& team, const ForwardProblem& problem);

}  // namespace lvx::cpu
