// SPDX-License-Identifier: Apache-2.0
// What schedules do to whole tensors besides attention: one kernel each.
#pragma once

#include "device/cuda/launch/kernels.h"
#include "device/device.h"

namespace lvx::cuda {

void merge(const Queue& queue, const Problem& problem, const Partial& part, const Partial& into);
void delta(const Queue& queue, const Problem& problem, const Bshd& o, const Bshd& d_o, const Bhs& delta);
// to = from, or to += from.
void copy(const Queue& queue, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
          const Bshd& from, const Bshd& to, bool add);
void copy(const Queue& queue, std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& from,
          const Bhs& to);
void copy(const Queue& queue, std::int64_t batch, std::int64_t rows, const Visibility& from,
          std::int32_t* to);

}  // namespace lvx::cuda
