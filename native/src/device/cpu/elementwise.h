// SPDX-License-Identifier: Apache-2.0
// What schedules do to whole tensors besides attention.
#pragma once

#include "device/cpu/workers.h"
#include "device/device.h"

namespace lvx::cpu {

void merge(Workers& workers, const Problem& problem, const Partial& part, const Partial& into);
void delta(Workers& workers, const Problem& problem, const Bshd& o, const Bshd& d_o, const Bhs& delta);
void copy(Workers& workers, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
          const Bshd& from, const Bshd& to);
void copy(Workers& workers, std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& from,
          const Bhs& to);
void add(Workers& workers, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
         const Bshd& from, const Bshd& to);
void copy(Workers& workers, std::int64_t batch, std::int64_t rows, const Visibility& from, std::int32_t* to);

}  // namespace lvx::cpu
