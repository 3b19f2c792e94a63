// SPDX-License-Identifier: Apache-2.0
// Gates that join a branch with the residual stream, and operations on whole rows.
#pragma once

#include "device/cpu/thread_pool.h"
#include "device/layers.h"

namespace lvx::cpu {

void gated_add_forward(ThreadTeam& team, const Rows& x, const Rows& branch, const Parameter& gate,
                       const RowIntegers& live, const Rows& y);
void gated_add_backward(ThreadTeam& team, const Rows& branch, const Parameter& gate, const RowIntegers& live,
                        const Rows& dy, const Rows& dbranch, const Parameter& dgate);
void blend_forward(ThreadTeam& team, const Rows& a, const Rows& b, const Parameter& gate,
                   const RowIntegers& live, const Rows& y);
void blend_backward(ThreadTeam& team, const Rows& a, const Rows& b, const Parameter& gate,
                    const RowIntegers& live, const Rows& dy, const Rows& da, const Rows& db,
                    const Parameter& dgate);
void add(ThreadTeam& team, const Rows& x, const Rows& y);
void clear_rows(ThreadTeam& team, const RowIntegers& live, const Rows& x);

}  // namespace lvx::cpu
