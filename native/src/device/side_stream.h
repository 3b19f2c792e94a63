// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

namespace lvx {

// A device's second stream, for a library that launches its own kernels (NCCL). Confined to one thread.
class SideStream {
 public:
  virtual ~SideStream() = default;
  SideStream() = default;
  SideStream(const SideStream&) = delete;
  SideStream& operator=(const SideStream&) = delete;

  // The native handle, for instance a cudaStream_t.
  virtual void* handle() = 0;
  // Work enqueued on this stream later waits for all work enqueued on the device so far.
  virtual void follow_device() = 0;
  // Enqueues a copy. Source and destination may each be host memory, which must stay valid until the copy is complete.
  virtual void copy(const std::byte* from, std::byte* to, std::size_t bytes) = 0;

  // An event that captures all work enqueued on this stream when mark was called. Any thread may query it.
  class Mark {
   public:
    virtual ~Mark() = default;
    Mark() = default;
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;
    // Throws Error(LVX_DEVICE_ERROR).
    virtual bool passed() = 0;
  };
  virtual std::unique_ptr<Mark> mark() = 0;
  // Work enqueued on this stream later waits for the mark, which may be of another device of the same kind.
  virtual void follow(const Mark& mark) = 0;
};

}  // namespace lvx
