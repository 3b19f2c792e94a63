// SPDX-License-Identifier: Apache-2.0
// A device. Its interface is split by concern: memory, attention, tensors, layers and probes. Operations are enqueued on the
// device's stream, in order. On the CPU they are complete when they return.
#pragma once

#include <lvx/lvx.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "device/attention_operations.h"
#include "device/device_memory.h"
#include "device/memory_operations.h"
#include "device/probes.h"
#include "device/side_stream.h"
#include "device/tensor_operations.h"

namespace lvx {

class LayerOperations;

// Properties of a GPU.
struct GpuProperties {
  int compute_major = 0;
  int compute_minor = 0;
  int multiprocessors = 0;
  std::size_t memory_total = 0;
  std::size_t memory_free = 0;  // now
};

class Device : public MemoryOperations, public AttentionOperations, public TensorOperations, public Probes {
 public:
  virtual ~Device() = default;
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  virtual lvx_device_kind kind() const = 0;
  virtual int ordinal() const = 0;
  virtual int threads() const = 0;
  virtual std::string name() const = 0;
  // All zero if the device is not a GPU.
  virtual GpuProperties gpu() const { return {}; }

  using MemoryOperations::zero;
  void zero(const Bhs& values) {
    for (std::int64_t item = 0; item < values.batch; ++item) {
      for (std::int64_t head = 0; head < values.heads; ++head) {
        zero(values.at(item, head, 0), static_cast<std::size_t>(values.rows * size_of(values.dtype)));
      }
    }
  }

  // Layer operations other than attention.
  virtual LayerOperations& layers() = 0;
  // Creates a second stream, and makes this the calling thread's current device. Null if the device has no streams: its
  // operations are complete when they return.
  virtual std::unique_ptr<SideStream> side_stream() { return nullptr; }
};

}  // namespace lvx
