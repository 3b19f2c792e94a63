// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

namespace lvx {

// A device's second stream, for a library with kernels of its own (NCCL). Used by one thread.
class SideStream {
 public:
  virtual ~SideStream() = default;
  SideStream() = default;
  SideStream(const SideStream&) = delete;
  SideStream& operator=(const SideStream&) = delete;

  // The library's handle of it, for instance a cudaStream_t.
  virtual void* handle() = 0;
  // Later work on it waits for all work enqueued on the device so far.
  virtual void follow_device() = 0;
  // Enqueues a copy; either side may be host memory, which must stay valid until the copy is done.
  virtual void copy(const std::byte* from, std::byte* to, std::size_t bytes) = 0;

  // An event: all work that was on it when mark was called. Any thread may query it.
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
  // Later work on it waits for the mark, which may be another device's of this kind.
  virtual void follow(const Mark& mark) = 0;
};

}  // namespace lvx
