// SPDX-License-Identifier: Apache-2.0
// The threads of a device. The calling thread participates; the others belong to a pool that all devices of the process share.
// The pool has one thread fewer than there are cores, so that several ranks in one process do not oversubscribe the cores. It
// uses only a mutex, condition variables and atomics, which ThreadSanitizer supports. Waiting threads spin briefly, yielding,
// before they sleep. Without spinning, calls of some tens of microseconds took twice as long on two threads as on one.
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

// The number of CPUs that this process may use; respects taskset and containers.
int usable_threads();

class ThreadPool {
 public:
  // Work that threads claim index by index.
  struct Job {
    void (*call)(const void* work, std::int64_t index, int slot);
    const void* work;
    std::int64_t count;
    int slots;  // maximum number of threads, including the caller
    std::atomic<std::int64_t> next{0};
    int taken = 1;               // assigned slots; the caller has slot 0
    std::atomic<int> inside{0};  // pool threads that are working on it
    std::exception_ptr failure = nullptr;
  };

  // The process's pool. Its threads end with the last device.
  static std::shared_ptr<ThreadPool> shared();

  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Returns when every index is done. Rethrows the exception of the first call that failed.
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

  // Calls work(index, slot) for every index of [0, count). slot is in [0, threads); calls with the same slot never overlap in
  // time. Results must not depend on the slot.
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
