// SPDX-License-Identifier: Apache-2.0
// Elementwise operations of schedules.
#pragma once

#include "device/cpu/thread_pool.h"
#include "device/device.h"

namespace lvx::cpu {

void merge(ThreadTeam& team, const ProblemShape& shape, const Partial& part, const Partial& into);
void delta(ThreadTeam& team, const ProblemShape& shape, const Bshd& o, const Bshd& d_o, const Bhs& delta);
void copy(ThreadTeam& team, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
          const Bshd& from, const Bshd& to);
void copy(ThreadTeam& team, std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& from,
          const Bhs& to);
void add(ThreadTeam& team, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
         const Bshd& from, const Bshd& to);
void copy(ThreadTeam& team, std::int64_t batch, std::int64_t rows, const Visibility& from, std::int32_t* to);

}  // namespace lvx::cpu
