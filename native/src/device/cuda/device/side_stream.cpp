// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/device/side_stream.h"

#include "device/cuda/device/stream.h"

namespace lvx::cuda {
namespace {

class EventMark final : public SideStream::Mark {
 public:
  explicit EventMark(cudaStream_t stream) : event_(Event::Kind::kOrders) {
    check(cudaEventRecord(event_, stream), "event");
  }
  bool passed() override {
    const cudaError_t result = cudaEventQuery(event_);
    if (result == cudaErrorNotReady) return false;
    check(result, "end of a transfer on the GPU");
    return true;
  }
  cudaEvent_t event() const { return event_; }

 private:
  Event event_;
};

class CudaSideStream final : public SideStream {
 public:
  CudaSideStream(int ordinal, cudaStream_t device_stream)
      : ordinal_(ordinal), device_stream_(device_stream), given_(Event::Kind::kOrders) {}

  void* handle() override { return static_cast<cudaStream_t>(stream_); }
  void follow_device() override {
    make_current(ordinal_);
    check(cudaEventRecord(given_, device_stream_), "event");
    check(cudaStreamWaitEvent(stream_, given_, 0), "order of streams");
  }
  void copy(const std::byte* from, std::byte* to, std::size_t bytes) override {
    if (bytes == 0) return;
    make_current(ordinal_);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_), "copy");
  }
  std::unique_ptr<Mark> mark() override {
    make_current(ordinal_);
    return std::make_unique<EventMark>(stream_);
  }
  void follow(const Mark& mark) override {
    make_current(ordinal_);
    check(cudaStreamWaitEvent(stream_, static_cast<const EventMark&>(mark).event(), 0), "order of streams");
  }

 private:
  int ordinal_;
  cudaStream_t device_stream_;
  Event given_;  // all work enqueued on the device so far; a wait uses the record that precedes it
  Stream stream_;
};

}  // namespace

std::unique_ptr<SideStream> make_side_stream(int ordinal, cudaStream_t device_stream) {
  return std::make_unique<CudaSideStream>(ordinal, device_stream);
}

}  // namespace lvx::cuda
