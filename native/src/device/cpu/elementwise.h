// SPDX-License-Identifier: Apache-2.0
// Elementwise operations of schedules.
#pragma once

#include "device/cpu/thread_pool.h"
#include "device/problem.h"

namespace lvx::cpu {

void merge(ThreadTeam& team, const Partial& part, const Partial& into);
void delta(ThreadTeam& team, const Bshd& o, const Bshd& d_o, const Bhs& delta);
void copy(ThreadTeam& team, const Bshd& from, const Bshd& to);
void copy(ThreadTeam& team, const Visibility& from, std::int32_t* to);
void add(ThreadTeam& team, const Bshd& from, const Bshd& to);

}  // namespace lvx::cpu
