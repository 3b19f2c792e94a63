// SPDX-License-Identifier: Apache-2.0
// The threads of a device: a oneTBB arena of its own, in which the calling thread takes part.
#pragma once

#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <cstdint>

namespace lvx {

class Workers {
 public:
  // Threads beyond the machine's cores would only get in each other's way: the work is cut for them, no more.
  explicit Workers(int threads)
      : threads_(threads), arena_(std::min(threads, oneapi::tbb::info::default_concurrency())) {}

  int threads() const { return threads_; }

  // Calls work(index, slot) for every index of [0, count); no two calls with the same slot, which is in
  // [0, threads), run at a time. What is computed must not depend on the slot.
  template <typename Work>
  void run(std::int64_t count, const Work& work) {
    if (count <= 0) return;
    if (threads_ == 1 || count == 1) {
      for (std::int64_t i = 0; i < count; ++i) work(i, 0);
      return;
    }
    arena_.execute([&] {
      oneapi::tbb::parallel_for(
          oneapi::tbb::blocked_range<std::int64_t>(0, count, 1),
          [&](const oneapi::tbb::blocked_range<std::int64_t>& range) {
            const int slot = oneapi::tbb::this_task_arena::current_thread_index();
            for (std::int64_t i = range.begin(); i != range.end(); ++i) work(i, slot);
          },
          oneapi::tbb::simple_partitioner());
    });
  }

 private:
  int threads_;
  oneapi::tbb::task_arena arena_;
};

}  // namespace lvx
