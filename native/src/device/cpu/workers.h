// SPDX-License-Identifier: Apache-2.0
// The threads of a device. The calling thread takes part; the others are helpers that all devices of the process
// share, one fewer than there are cores, so that many ranks in one process do not get in each other's way. Written
// with a mutex, condition variables and atomics only, which ThreadSanitizer understands. Who waits looks out for a
// moment, offering its core to others, before it sleeps: waking up takes as long as a small problem.
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

// As many threads as this process may use: taskset and containers count.
int usable_threads();

class Helpers {
 public:
  // Work that is handed out index by index.
  struct Job {
    void (*call)(const void* work, std::int64_t index, int slot);
    const void* work;
    std::int64_t count;
    int slots;  // threads that may take part, the caller included
    std::atomic<std::int64_t> next{0};
    int taken = 1;               // slots given out; the caller has slot 0
    std::atomic<int> inside{0};  // helpers at work
    std::exception_ptr failure = nullptr;
  };

  // The process's helpers; they end with the last device.
  static std::shared_ptr<Helpers> shared();

  explicit Helpers(int threads);
  ~Helpers();
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

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

class Workers {
 public:
  explicit Workers(int threads) : threads_(threads), helpers_(Helpers::shared()) {}

  int threads() const { return threads_; }

  // Calls work(index, slot) for every index of [0, count); no two calls with the same slot, which is in
  // [0, threads), run at a time. What is computed must not depend on the slot.
  template <typename Work>
  void run(std::int64_t count, const Work& work) {
    if (threads_ == 1 || count <= 1) {
      for (std::int64_t i = 0; i < count; ++i) work(i, 0);
      return;
    }
    Helpers::Job job{.call = [](const void* w, std::int64_t index,
                                int slot) { (*static_cast<const Work*>(w))(index, slot); },
                     .work = &work,
                     .count = count,
                     .slots = threads_};
    helpers_->run(job);
  }

 private:
  int threads_;
  std::shared_ptr<Helpers> helpers_;
};

}  // namespace lvx
