// SPDX-License-Identifier: Apache-2.0
// RAII owners of CUDA streams and events.
#pragma once

#include <cuda_runtime_api.h>

#include "device/cuda/launch/check.h"

namespace lvx::cuda {

// Makes the GPU the calling thread's current device, which the CUDA runtime requires for later calls.
inline void make_current(int ordinal) { check(cudaSetDevice(ordinal), "choice of the GPU"); }

class Stream {
 public:
  // Creates a stream of the current GPU, or wraps the caller's stream if it is not null.
  explicit Stream(void* external = nullptr)
      : stream_(static_cast<cudaStream_t>(external)), owned_(external == nullptr) {
    if (owned_) check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream");
  }
  ~Stream() {
    if (owned_) cudaStreamDestroy(stream_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
  bool owned_;
};

class Event {
 public:
  enum class Kind { kOrders, kMeasures };

  explicit Event(Kind kind) {
    check(
        cudaEventCreateWithFlags(&event_, kind == Kind::kOrders ? cudaEventDisableTiming : cudaEventDefault),
        "event");
  }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator cudaEvent_t() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace lvx::cuda
