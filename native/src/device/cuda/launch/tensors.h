// SPDX-License-Identifier: Apache-2.0
// Elementwise operations of schedules: one kernel each.
#pragma once

#include "device/cuda/launch/kernels.h"
#include "device/problem.h"

namespace lvx::cuda {

void merge(const Queue& queue, const Partial& part, const Partial& into);
void delta(const Queue& queue, const Bshd& o, const Bshd& d_o, const Bhs& delta);
// to = from, or to += from.
void copy(const Queue& queue, const Bshd& from, const Bshd& to, bool add);
void copy(const Queue& queue, const Visibility& from, std::int32_t* to);

}  // namespace lvx::cuda
