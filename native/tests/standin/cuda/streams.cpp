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

void GpuStream::put(std::function<void()> work) { put(Work{.work = std::move(work)}); }

void GpuStream::put_wait(std::shared_ptr<Recording> recording) { put(Work{.wait = std::move(recording)}); }

std::uint64_t GpuStream::put_gate(std::shared_ptr<std::atomic<bool>> open) {
  put(Work{.gate = std::move(open)});
  return last_ - 1;
}

std::shared_ptr<Recording> GpuStream::record() {
  auto recording = std::make_shared<Recording>();
  recording->stream = shared_from_this();
  recording->position = last_ + 1;
  put(Work{.record = recording});
  return recording;
}

bool GpuStream::run(std::uint64_t position) {
  while (done_ < position) {
    const Work& first = queue_.front();
    if (first.gate != nullptr && !*first.gate) return false;
    if (first.wait != nullptr && !first.wait->stream->run(first.wait->position)) return false;
    const Work next = std::move(queue_.front());
    queue_.pop_front();
    ++done_;
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
  return true;
}

void GpuStream::forget_all() {
  queue_.clear();
  done_ = last_;
}

}  // namespace lvx::test
