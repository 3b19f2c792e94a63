// SPDX-License-Identifier: Apache-2.0
// Runs of cheap work, shared out among the threads in pieces that are worth a task.
#pragma once

#include <algorithm>
#include <cstdint>

#include "device/cpu/blocking.h"
#include "device/cpu/workers.h"

namespace lvx::cpu {

constexpr std::int64_t kElementsAtOnce = 32768;  // a smaller piece is not worth a task

// Calls work(begin, end) for runs that make up [0, count).
template <typename Work>
void for_each_run(Workers& workers, std::int64_t count, std::int64_t elements_each, const Work& work) {
  const std::int64_t run =
      std::max<std::int64_t>(1, kElementsAtOnce / std::max<std::int64_t>(1, elements_each));
  workers.run(divide_up(count, run),
              [&](std::int64_t index, int) { work(index * run, std::min(count, (index + 1) * run)); });
}

// Calls work(index) for [0, count).
template <typename Work>
void for_each(Workers& workers, std::int64_t count, std::int64_t elements_each, const Work& work) {
  for_each_run(workers, count, elements_each, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) work(i);
  });
}

}  // namespace lvx::cpu
