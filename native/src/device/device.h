// SPDX-License-Identifier: Apache-2.0
// What a schedule asks of a device. Operations are ordered by the device's stream: each sees the results of those
// before it. On the CPU they are done when they return.
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
#include "device/engines.h"

namespace lvx {

// A partial result (o, lse) of one block of queries; o normalised. The identity is (0, -inf).
//
// A large bias would round off the logits it is added to, and lse what distinguishes rows. So where bias_max is there,
// lse counts from it: it is that of the logits with bias - bias_max in the place of the bias, bias_max being the largest
// bias of the keys that the row has seen so far, -inf for none. Without it lse is the whole.
struct Partial {
  Bshd o;
  Bhs lse;
  Bhs bias_max = {};  // in the accumulator's dtype; data null: none
};

struct ForwardArguments {
  Problem problem;
  Bshd q, k, v;
  Visibility visibility;
  Bias bias;
  Partial
      out;  // o in q's dtype or its accumulator's, lse in the accumulator's; bias_max where there is a bias
  bool merge = false;  // merge into what out holds (by lse and bias_max) rather than overwrite it
};

struct BackwardArguments {
  Problem problem;
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

// A queue of work beside the device's own stream, for a library that brings kernels of its own (NCCL). Used by one
// thread.
class SideStream {
 public:
  virtual ~SideStream() = default;
  SideStream() = default;
  SideStream(const SideStream&) = delete;
  SideStream& operator=(const SideStream&) = delete;

  // What the library takes for it, for instance a cudaStream_t.
  virtual void* handle() = 0;
  // What is put on it from now on begins when the device has done all that it was given so far.
  virtual void follow_device() = 0;
  // Puts a copy on it; either side may be host memory, which stays until the copy is done.
  virtual void copy(const std::byte* from, std::byte* to, std::size_t bytes) = 0;

  // The end of all that was on it when mark was called. Any thread may ask.
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
  // What is put on it from now on begins when the mark, of another device of this kind perhaps, has passed.
  virtual void follow(const Mark& mark) = 0;
};

// What is known of a GPU beside its name.
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
  // Zeroed host memory that copies to and from the device are fastest with, aligned to 64 bytes; not counted. Throws
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
  void zero(const Problem& p, const Bhs& values) {
    for (std::int64_t b = 0; b < p.batch; ++b) {
      for (std::int64_t head = 0; head < p.query_heads; ++head) {
        zero(values.at(b, head, 0), static_cast<std::size_t>(p.queries * size_of(values.dtype)));
      }
    }
  }
  // Either side may be host memory, which must stay until synchronize.
  virtual void copy_bytes(const std::byte* from, std::byte* to, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  // Returns when everything given to the device so far is done. Throws Error(LVX_DEVICE_ERROR).
  virtual void synchronize() {}

  // Workspace that forward and backward need for a problem; the caller brings it, so that it is counted and reused.
  virtual std::size_t forward_scratch(const Problem& problem, DType dtype) const = 0;
  virtual std::size_t backward_scratch(const Problem& problem, DType dtype) const = 0;

  // Throws Error(LVX_UNSUPPORTED) if forward or backward would: to be asked before a call begins.
  virtual void require_attention(const AttentionRequest&) const {}
  virtual void forward(const ForwardArguments& arguments, std::span<std::byte> scratch) = 0;
  virtual void backward(const BackwardArguments& arguments, std::span<std::byte> scratch) = 0;

  // Bits 1 << lvx_engine of those that computed since this was last asked, and why it was they.
  virtual std::uint32_t take_engines_used() { return 1U << LVX_ENGINE_LVX; }
  virtual std::vector<EngineChoice> engine_choices() const { return {}; }

  // into = merge(into, part). problem gives batch, queries, query_heads, head_dim.
  virtual void merge(const Problem& problem, const Partial& part, const Partial& into) = 0;
  // delta = rowsum(o * d_o).
  virtual void delta(const Problem& problem, const Bshd& o, const Bshd& d_o, const Bhs& delta) = 0;
  // to = from, converted and re-strided.
  virtual void copy(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
                    const Bshd& from, const Bshd& to) = 0;
  virtual void copy(std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& from,
                    const Bhs& to) = 0;
  // to += from.
  virtual void add(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
                   const Bshd& from, const Bshd& to) = 0;
  virtual void copy(std::int64_t batch, std::int64_t rows, const Visibility& from,
                    std::int32_t* to_compact) = 0;
  // to = a + b, of one dtype.
  void sum(std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& a, const Bhs& b,
           const Bhs& to) {
    copy(batch, heads, rows, a, to);
    add(batch, heads, 1, rows, as_bshd(b), as_bshd(to));
  }
  // seen[i] = 1 if any query sees a key of [bounds[i], bounds[i + 1]). Host memory; blocks until known.
  virtual void shards_seen(std::int64_t batch, std::int64_t rows, const Visibility& visibility,
                           std::span<const std::int64_t> bounds, std::span<std::uint8_t> seen) = 0;

  // What layers do beside attention.
  virtual LayerOperations& layers() = 0;
  // Makes the device the calling thread's current one. Null: the device has no streams, all is done when it returns.
  virtual std::unique_ptr<SideStream> side_stream() { return nullptr; }

  // Yardsticks, in seconds.
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
