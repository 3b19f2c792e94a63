// SPDX-License-Identifier: Apache-2.0
// Distributes cheap elementwise work over the threads, in pieces large enough for a task.
#pragma once

#include <algorithm>
#include <cstdint>

#include "device/cpu/blocking.h"
#include "device/cpu/thread_pool.h"

namespace lvx::cpu {

constexpr std::int64_t kElementsAtOnce = 32768;  // smaller pieces cost more than they gain

// Calls work(begin, end) for ranges that cover [0, count).
template <typename Work>
void for_each_run(ThreadTeam& team, std::int64_t count, std::int64_t elements_each, const Work& work) {
  const std::int64_t run =
      std::max<std::int64_t>(1, kElementsAtOnce / std::max<std::int64_t>(1, elements_each));
  team.run(divide_up(count, run),
           [&](std::int64_t index, int) { work(index * run, std::min(count, (index + 1) * run)); });
}

// Calls work(index) for [0, count).
template <typename Work>
void for_each(ThreadTeam& team, std::int64_t count, std::int64_t elements_each, const Work& work) {
  for_each_run(team, count, elements_each, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) work(i);
  });
}

}  // namespace lvx::cpu
