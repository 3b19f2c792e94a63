// SPDX-License-Identifier: Apache-2.0
// The threads of a device. The calling thread takes part; the others belong to a pool that all devices of the
// process share, one thread fewer than cores, so that many ranks in one process do not oversubscribe them. It uses
// only a mutex, condition variables and atomics, which ThreadSanitizer understands. Waiting threads spin for a
// moment, yielding, before they sleep: without that, calls of some tens of microseconds took twice as long on two
// threads as on one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace lvx {

// As many threads as this process may use; respects taskset and containers.
int usable_threads();

class ThreadPool {
 public:
  // Work that threads take index by index.
  struct Job {
    void (*call)(const void* work, std::int64_t index, int slot);
    const void* work;
    std::int64_t count;
    int slots;  // threads that may take part, the caller included
    std::atomic<std::int64_t> next{0};
    int taken = 1;               // slots given out; the caller has slot 0
    std::atomic<int> inside{0};  // pool threads at work
    std::exception_ptr failure = nullptr;
  };

  // The process's pool; its threads end with the last device.
  static std::shared_ptr<ThreadPool> shared();

  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Returns when every index is done; throws what the first failed one threw.
  void run(Job& job);

 private:
  void help();
  void take_part(Job& job, int slot);
  Job* open_job();

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::vector<Job*> jobs_;
  std::atomic<std::uint64_t> posted_{0};  // jobs so far
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

class ThreadTeam {
 public:
  explicit ThreadTeam(int threads) : threads_(threads), pool_(ThreadPool::shared()) {}

  int threads() const { return threads_; }

  // Calls work(index, slot) for every index of [0, count); no two calls with the same slot, which is in
  // [0, threads), run at a time. What is computed must not depend on the slot.
  template <typename Work>
  void run(std::int64_t count, const Work& work) {
    if (threads_ == 1 || count <= 1) {
      for (std::int64_t i = 0; i < count; ++i) work(i, 0);
      return;
    }
    ThreadPool::Job job{.call = [](const void* w, std::int64_t index,
                                   int slot) { (*static_cast<const Work*>(w))(index, slot); },
                        .work = &work,
                        .count = count,
                        .slots = threads_};
    pool_->run(job);
  }

 private:
  int threads_;
  std::shared_ptr<ThreadPool> pool_;
};

}  // namespace lvx
