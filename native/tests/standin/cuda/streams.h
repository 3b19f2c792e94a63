// SPDX-License-Identifier: Apache-2.0
// Streams and events of simulated GPUs. What is put on a stream is done as late as it may be: when somebody waits for
// it, by that thread; one at a time in the whole process. So what is used without waiting for it is not there yet.
// Only what others bring, as NCCL does, comes by itself.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

struct CUstream_st;

namespace lvx::test {

class GpuStream;

// What an event stands for from one record to the next: all that was on a stream then.
struct Recording {
  std::shared_ptr<GpuStream> stream;
  std::uint64_t position = 0;
  bool asked = false;  // a query says "not yet" once
  std::chrono::steady_clock::time_point passed{};
};

class GpuStream : public std::enable_shared_from_this<GpuStream> {
 public:
  explicit GpuStream(int gpu) : gpu_(gpu) {}

  int gpu() const { return gpu_; }
  void put(std::function<void()> work);
  void put_wait(std::shared_ptr<Recording> recording);
  // What comes after it waits until somebody says that it is open. Returns the position of what comes before it.
  std::uint64_t put_gate(std::shared_ptr<std::atomic<bool>> open);
  std::shared_ptr<Recording> record();

  // Does everything up to a position; false where a gate is not open yet. Throws what work throws.
  bool run(std::uint64_t position);
  bool run_all() { return run(last_); }
  void forget_all();
  bool done(std::uint64_t position) const { return position <= done_; }

  // The GPU whose work this thread does; -1: none.
  static int& running();

 private:
  struct Work {
    std::function<void()> work = nullptr;
    std::shared_ptr<Recording> wait = nullptr;
    std::shared_ptr<Recording> record = nullptr;
    std::shared_ptr<std::atomic<bool>> gate = nullptr;
  };

  void put(Work work);

  const int gpu_;
  std::deque<Work> queue_;
  std::uint64_t last_ = 0;  // put
  std::uint64_t done_ = 0;
};

}  // namespace lvx::test
