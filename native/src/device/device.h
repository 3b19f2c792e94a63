// SPDX-License-Identifier: Apache-2.0
// What schedules need of a device. Operations are enqueued on the device's stream: each sees the results of earlier
// ones. On the CPU they are done when they return.
#pragma once

#include <lvx/lvx.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attention/views.h"
#include "base/error.h"
#include "device/attention_backend.h"

namespace lvx {

// A partial result (o, lse) of one block of queries; o normalised. The identity is (0, -inf).
//
// Adding a large bias would round off logits and lse. With bias_max, lse is relative to it: the lse of the logits
// with bias - bias_max instead of bias. bias_max is the largest bias of the keys that the row has seen so far, -inf
// for none. Without it lse is the whole.
struct Partial {
  Bshd o;
  Bhs lse;
  Bhs bias_max = {};  // in the accumulator's dtype; data null: none
};

struct ForwardProblem {
  ProblemShape shape;
  Bshd q, k, v;
  Visibility visibility;
  Bias bias;
  // o in q's dtype or its accumulator's, lse in the accumulator's; bias_max where there is a bias.
  Partial out;
  bool merge = false;  // merge into what out holds (by lse and bias_max) rather than overwrite it
};

struct BackwardProblem {
  ProblemShape shape;
  Bshd q, k, v, d_o;
  Bhs lse, delta;  // the final lse, which may span more keys than these; delta = rowsum(d_o * o)
  Visibility visibility;
  Bias bias;
  // Gradients are added where add_* is set, and then kept in the accumulator's dtype; overwritten where not.
  Bshd dq, dk, dv;
  Bias d_bias;  // none: not wanted; always added to, summed over broadcast dimensions (stride 0)
  bool add_dq = false;
  bool add_dkv = false;
  Bhs bias_max = {};  // what lse counts from, as in Partial; data null: lse is the whole
};

class LayerOperations;

inline std::string no_host_memory(std::size_t bytes) {
  return "the system has no " + std::to_string(bytes) + " bytes of host memory left";
}

// A second stream, for a library with kernels of its own (NCCL). Used by one thread.
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

// Properties of a GPU.
struct GpuProperties {
  int compute_major = 0;
  int compute_minor = 0;
  int multiprocessors = 0;
  std::size_t memory_total = 0;
  std::size_t memory_free = 0;  // now
};

class Device {
 public:
  virtual ~Device() = default;
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  virtual lvx_device_kind kind() const = 0;
  virtual int ordinal() const = 0;
  virtual int threads() const = 0;
  virtual std::string name() const = 0;
  // All zero: no GPU.
  virtual GpuProperties gpu() const { return {}; }

  // Memory, counted against the budget; aligned to 64 bytes. Throws Error(LVX_OUT_OF_MEMORY).
  virtual std::byte* allocate(std::size_t bytes) = 0;
  virtual void release(std::byte* data, std::size_t bytes) noexcept = 0;
  virtual std::size_t bytes_in_use() const = 0;
  virtual std::size_t peak_bytes() const = 0;
  // 0: no limit.
  virtual std::size_t memory_budget() const { return 0; }
  // Zeroed host memory for fast copies to and from the device, aligned to 64 bytes; not counted. Throws
  // Error(LVX_OUT_OF_MEMORY).
  virtual std::byte* allocate_host(std::size_t bytes) {
    void* data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (data == nullptr) throw Error(LVX_OUT_OF_MEMORY, no_host_memory(bytes));
    return static_cast<std::byte*>(std::memset(data, 0, bytes));
  }
  virtual void release_host(std::byte* data) noexcept { std::free(data); }
  // Throws Error(LVX_INVALID_ARGUMENT) if kernels cannot use memory at this address.
  virtual void check_address(const void*) const {}
  virtual void zero(std::byte* data, std::size_t bytes) = 0;
  void zero(const Bhs& values) {
    for (std::int64_t item = 0; item < values.batch; ++item) {
      for (std::int64_t head = 0; head < values.heads; ++head) {
        zero(values.at(item, head, 0), static_cast<std::size_t>(values.rows * size_of(values.dtype)));
      }
    }
  }
  // Either side may be host memory, which must stay valid until synchronize.
  virtual void copy_bytes(const std::byte* from, std::byte* to, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  // Returns when all enqueued work is done. Throws Error(LVX_DEVICE_ERROR).
  virtual void synchronize() {}

  // Workspace of forward and backward for a problem; the caller allocates it, so that it is counted and reused.
  virtual std::size_t forward_scratch(const ProblemShape& shape, DType dtype) const = 0;
  virtual std::size_t backward_scratch(const ProblemShape& shape, DType dtype) const = 0;

  // Throws Error(LVX_UNSUPPORTED) if forward or backward would; called before a collective begins.
  virtual void require_attention(const AttentionRequest&) const {}
  virtual void forward(const ForwardProblem& problem, std::span<std::byte> scratch) = 0;
  virtual void backward(const BackwardProblem& problem, std::span<std::byte> scratch) = 0;

  // Bits 1 << lvx_attention_backend of those that computed since this was last asked, and why it was they.
  virtual std::uint32_t take_attention_backends_used() { return 1U << LVX_ATTENTION_BACKEND_LVX; }
  virtual std::vector<AttentionBackendChoice> attention_backend_choices() const { return {}; }

  // into = merge(into, part).
  virtual void merge(const Partial& part, const Partial& into) = 0;
  // delta = rowsum(o * d_o).
  virtual void delta(const Bshd& o, const Bshd& d_o, const Bhs& delta) = 0;

  // to = from, converted and re-strided; both have the same extents.
  virtual void copy(const Bshd& from, const Bshd& to) = 0;
  void copy(const Bhs& from, const Bhs& to) { copy(as_bshd(from), as_bshd(to)); }
  // to: compact ranges, as many.
  virtual void copy(const Visibility& from, std::int32_t* to) = 0;
  // to += from; both have the same extents.
  virtual void add(const Bshd& from, const Bshd& to) = 0;
  // to = a + b, of one dtype and the same extents.
  void sum(const Bhs& a, const Bhs& b, const Bhs& to) {
    copy(a, to);
    add(as_bshd(b), as_bshd(to));
  }
  // seen[i] = 1 if any query sees a key of [bounds[i], bounds[i + 1]). Host memory; blocks until known.
  virtual void shards_seen(const Visibility& visibility, std::span<const std::int64_t> bounds,
                           std::span<std::uint8_t> seen) = 0;

  // Non-attention layer operations.
  virtual LayerOperations& layers() = 0;
  // Makes the device the calling thread's current one. Null: the device has no streams, all is done when it returns.
  virtual std::unique_ptr<SideStream> side_stream() { return nullptr; }

  // Rates to compare kernels with, in seconds.
  virtual double probe_gemm(std::int64_t n) = 0;
  virtual double probe_read(std::size_t bytes) = 0;
};

// Memory of a device for as long as the object lives.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(Device& device, std::size_t bytes)
      : device_(&device), data_(bytes == 0 ? nullptr : device.allocate(bytes)), bytes_(bytes) {}
  ~DeviceMemory() {
    if (data_ != nullptr) device_->release(data_, bytes_);
  }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  Device* device_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace lvx
