// SPDX-License-Identifier: Apache-2.0
// Streams and events of simulated GPUs. What is put on a stream is done as late as it may be: when somebody waits for
// it, by that thread; one at a time in the whole process. So what is used without waiting for it is not there yet.
#pragma once

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
  std::shared_ptr<Recording> record();

  // Does everything up to a position; throws what work throws, and has forgotten the rest then.
  void run(std::uint64_t position);
  void run_all() { run(last_); }
  void forget_all();
  bool done(std::uint64_t position) const { return position <= done_; }

  // The GPU whose work this thread does; -1: none.
  static int& running();

 private:
  struct Work {
    std::function<void()> work;
    std::shared_ptr<Recording> wait;
    std::shared_ptr<Recording> record;
  };

  void put(Work work);

  const int gpu_;
  std::deque<Work> queue_;
  std::uint64_t last_ = 0;  // put
  std::uint64_t done_ = 0;
};

}  // namespace lvx::test
