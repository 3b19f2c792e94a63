// SPDX-License-Identifier: Apache-2.0
// Devices and their memory.
#include <algorithm>
#include <cstdint>

#include "abi/error.h"
#include "abi/objects.h"
#include "abi/structs.h"
#include "device/cpu/cpu_device.h"
#include "device/plugin.h"

using namespace lvx;

namespace {

lvx_attention_backend_choice entry_of(const AttentionBackendChoice& choice) {
  const ProblemShape& p = choice.shape;
  lvx_attention_backend_choice entry{};
  entry.attention_backend = choice.attention_backend;
  entry.backward = choice.backward ? 1 : 0;
  entry.dtype_code = choice.dtype == DType::kBFloat16 ? LVX_BFLOAT : LVX_FLOAT;
  entry.dtype_bits = static_cast<std::int32_t>(8 * size_of(choice.dtype));
  entry.batch = p.batch;
  entry.queries = p.queries;
  entry.keys = p.keys;
  entry.query_heads = static_cast<std::int32_t>(p.query_heads);
  entry.key_heads = static_cast<std::int32_t>(p.key_heads);
  entry.head_dim = static_cast<std::int32_t>(p.head_dim);
  entry.lvx_seconds = choice.lvx_seconds;
  entry.cudnn_seconds = choice.cudnn_seconds;
  choice.reason.copy(entry.reason, sizeof(entry.reason) - 1);
  return entry;
}

void begin_copy(Device& device, const void* from, void* to, std::uint64_t bytes) {
  if (bytes == 0) return;
  require_not_null(from, "from");
  require_not_null(to, "to");
  if (bytes > PTRDIFF_MAX) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "bytes",
                        "expected at most " + std::to_string(PTRDIFF_MAX) + ", got " + std::to_string(bytes));
  }
  device.copy_bytes(static_cast<const std::byte*>(from), static_cast<std::byte*>(to), bytes);
}

// Memory of a device, or of the host for it, behind a new handle.
template <typename Object>
void allocate(lvx_device device, std::uint64_t bytes, lvx_buffer* buffer, void** data) {
  require_not_null(buffer, "buffer");
  require_not_null(data, "data");
  if (bytes == 0) throw ArgumentError(LVX_INVALID_ARGUMENT, "bytes", "expected at least 1, got 0");
  auto owner = find_handle<DeviceObject>(device);
  if (bytes > PTRDIFF_MAX) {
    throw ArgumentError(LVX_OUT_OF_MEMORY, "bytes",
                        std::to_string(bytes) + " asked, more than there are addresses; " +
                            std::to_string(owner->device->bytes_in_use()) + " held");
  }
  auto object = std::make_shared<Object>(std::move(owner), bytes);
  std::byte* memory = object->data();
  *buffer = add_handle(std::shared_ptr<BufferObject>(std::move(object)));
  *data = memory;
}

}  // namespace

lvx_status lvx_device_open_cpu(const lvx_cpu_options* options, lvx_device* device) {
  return guard([&] {
    require_not_null(device, "device");
    const lvx_cpu_options read = read_optional_options(options, "options");
    if (read.threads < 0 || read.threads > 1024) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "options.threads",
                          "expected 0 (all) to 1024, got " + std::to_string(read.threads));
    }
    require_zero(read.reserved, "options.reserved");
    CpuOptions wanted;
    wanted.threads = read.threads;
    wanted.memory_budget = read.memory_budget;
    *device = add_handle(std::make_shared<DeviceObject>(make_cpu_device(wanted)));
  });
}

lvx_status lvx_device_open_cuda(const lvx_cuda_options* options, lvx_device* device) {
  return guard([&] {
    require_not_null(device, "device");
    const lvx_cuda_options read = read_optional_options(options, "options");
    if (read.ordinal < 0) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "options.ordinal",
                          "expected 0 or more, got " + std::to_string(read.ordinal));
    }
    if (read.attention_backend < LVX_ATTENTION_BACKEND_LVX ||
        read.attention_backend > LVX_ATTENTION_BACKEND_AUTO) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "options.attention_backend",
                          "expected LVX_ATTENTION_BACKEND_LVX (0) to "
                          "LVX_ATTENTION_BACKEND_AUTO (2), got " +
                              std::to_string(read.attention_backend));
    }
    CudaOptions wanted;
    wanted.ordinal = read.ordinal;
    wanted.attention_backend = static_cast<lvx_attention_backend>(read.attention_backend);
    wanted.memory_budget = read.memory_budget;
    wanted.stream = read.stream;
    *device = add_handle(std::make_shared<DeviceObject>(open_cuda_device(wanted)));
  });
}

lvx_status lvx_device_load_cudnn(uint64_t* version) {
  return guard([&] {
    require_not_null(version, "version");
    *version = load_cudnn();
  });
}

lvx_status lvx_device_attention_backend_choices(lvx_device device, lvx_attention_backend_choice* choices,
                                                uint64_t capacity, uint64_t* count) {
  return guard([&] {
    require_not_null(count, "count");
    if (capacity > 0) require_not_null(choices, "choices");
    const auto object = find_handle<DeviceObject>(device);
    const std::vector<AttentionBackendChoice> made = object->device->attention_backend_choices();
    for (std::size_t i = 0; i < std::min<std::uint64_t>(capacity, made.size()); ++i) {
      choices[i] = entry_of(made[i]);
    }
    *count = made.size();
  });
}

lvx_status lvx_device_synchronize(lvx_device device) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const InUse use(object->busy, "device");
    object->device->synchronize();
  });
}

lvx_status lvx_device_copy(lvx_device device, const void* from, void* to, uint64_t bytes) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const InUse use(object->busy, "device");
    begin_copy(*object->device, from, to, bytes);
    object->device->synchronize();
  });
}

lvx_status lvx_device_copy_begin(lvx_device device, const void* from, void* to, uint64_t bytes) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const InUse use(object->busy, "device");
    begin_copy(*object->device, from, to, bytes);
  });
}

lvx_status lvx_device_check_address(lvx_device device, const void* data) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    require_not_null(data, "data");
    object->device->check_address(data);
  });
}

lvx_status lvx_device_close(lvx_device device) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    InUse use(object->busy, "device");
    {
      const std::lock_guard lock(object->mutex);
      if (object->buffers > 0 || object->groups > 0) {
        throw ArgumentError(LVX_INVALID_STATE, "device",
                            "expected that its buffers and groups are closed first, open are " +
                                std::to_string(object->buffers) + " buffers and " +
                                std::to_string(object->groups) + " groups");
      }
      object->closed = true;
    }
    use.keep();
    remove_handle<DeviceObject>(device);
  });
}

lvx_status lvx_device_query(lvx_device device, lvx_device_info* info) {
  return guard([&] {
    check_result(info, "info");
    const auto object = find_handle<DeviceObject>(device);
    const Device& opened = *object->device;
    lvx_device_info value{};
    value.kind = opened.kind();
    value.ordinal = opened.ordinal();
    value.threads = opened.threads();
    const GpuProperties gpu = opened.gpu();
    value.multiprocessors = gpu.multiprocessors;
    value.compute_major = gpu.compute_major;
    value.compute_minor = gpu.compute_minor;
    value.memory_total = gpu.memory_total;
    value.memory_free = gpu.memory_free;
    value.memory_budget = opened.memory_budget();
    value.bytes_in_use = opened.bytes_in_use();
    value.peak_bytes = opened.peak_bytes();
    const std::string name = opened.name();
    name.copy(value.name, sizeof(value.name) - 1);
    {
      const std::lock_guard lock(object->mutex);
      value.buffers = object->buffers;
      value.groups = object->groups;
    }
    write_result(info, value);
  });
}

lvx_status lvx_buffer_allocate(lvx_device device, uint64_t bytes, lvx_buffer* buffer, void** data) {
  return guard([&] { allocate<DeviceBuffer>(device, bytes, buffer, data); });
}

lvx_status lvx_host_buffer_allocate(lvx_device device, uint64_t bytes, lvx_buffer* buffer, void** data) {
  return guard([&] { allocate<HostBuffer>(device, bytes, buffer, data); });
}

lvx_status lvx_buffer_free(lvx_buffer buffer) {
  return guard([&] { remove_handle<BufferObject>(buffer); });
}
