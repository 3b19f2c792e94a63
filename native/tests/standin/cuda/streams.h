// SPDX-License-Identifier: Apache-2.0
// Streams and events of simulated GPUs. Work on a stream runs as late as possible: when a thread waits for it, in that thread,
// one item at a time in the whole process. So results that are used without waiting are not there yet. Only transfers of other
// libraries, such as NCCL, complete by themselves.
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

// What an event captures when it is recorded: all work on a stream up to a position.
struct Recording {
  std::shared_ptr<GpuStream> stream;
  std::uint64_t position = 0;
  bool asked = false;  // the first query returns "not ready"
  std::chrono::steady_clock::time_point passed{};
};

class GpuStream : public std::enable_shared_from_this<GpuStream> {
 public:
  explicit GpuStream(int gpu) : gpu_(gpu) {}

  int gpu() const { return gpu_; }
  void put(std::function<void()> work);
  void put_wait(std::shared_ptr<Recording> recording);
  // Enqueues a gate: later work waits until the gate is open. Returns the position of the work before it.
  std::uint64_t put_gate(std::shared_ptr<std::atomic<bool>> open);
  std::shared_ptr<Recording> record();

  // Runs all work up to a position; false at a gate that is not open yet. Propagates the exceptions of work.
  bool run(std::uint64_t position);
  bool run_all() { return run(last_); }
  void forget_all();
  bool done(std::uint64_t position) const { return position <= done_; }

  // The GPU whose work this thread runs; -1 for none.
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
  std::uint64_t last_ = 0;  // position of the last enqueued work
  std::uint64_t done_ = 0;
};

}  // namespace lvx::test
