// SPDX-License-Identifier: Apache-2.0
#include "standin/cuda/streams.h"

#include <utility>

namespace lvx::test {

int& GpuStream::running() {
  thread_local int gpu = -1;
  return gpu;
}

void GpuStream::put(Work work) {
  queue_.push_back(std::move(work));
  ++last_;
}

void GpuStream::put(std::function<void()> work) { put(Work{std::move(work), nullptr, nullptr}); }

void GpuStream::put_wait(std::shared_ptr<Recording> recording) {
  put(Work{nullptr, std::move(recording), nullptr});
}

std::shared_ptr<Recording> GpuStream::record() {
  auto recording = std::make_shared<Recording>();
  recording->stream = shared_from_this();
  recording->position = last_ + 1;
  put(Work{nullptr, nullptr, recording});
  return recording;
}

void GpuStream::run(std::uint64_t position) {
  while (done_ < position) {
    Work next = std::move(queue_.front());
    queue_.pop_front();
    ++done_;
    if (next.wait != nullptr) next.wait->stream->run(next.wait->position);
    if (next.work) {
      const int outer = std::exchange(running(), gpu_);
      try {
        next.work();
      } catch (...) {
        running() = outer;
        throw;
      }
      running() = outer;
    }
    if (next.record != nullptr) next.record->passed = std::chrono::steady_clock::now();
  }
}

void GpuStream::forget_all() {
  queue_.clear();
  done_ = last_;
}

}  // namespace lvx::test
