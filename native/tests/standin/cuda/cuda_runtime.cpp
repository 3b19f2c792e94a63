// SPDX-License-Identifier: Apache-2.0
// The CUDA runtime's functions for simulated GPUs. LVX_CUDA_STANDIN_GPUS is their number, 3 by default. As on a real GPU, a
// faulty kernel makes its GPU unusable: every later call for it returns the error.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "device/cuda/host/simulator.h"
#include "standin/cuda/gpu_memory.h"
#include "standin/cuda/streams.h"
#include "standin/gpu_transfers.h"

using lvx::cuda::host::Fault;
using lvx::test::GpuMemory;
using lvx::test::GpuStream;
using lvx::test::Recording;

struct CUstream_st {
  std::shared_ptr<GpuStream> stream;
};
struct CUevent_st {
  std::shared_ptr<Recording> recording;
};
struct CUmemPoolHandle_st {
  int gpu;
};

namespace {

constexpr int kMostGpus = 8;

thread_local int current_gpu = 0;

struct Gpu {
  cudaError_t lost = cudaSuccess;
  std::string reason;
  std::set<GpuStream*> streams;
};

class Machine final : public lvx::cuda::host::Runtime {
 public:
  Machine() { lvx::cuda::host::set_runtime(this); }

  std::byte* find(const void* data, std::size_t bytes) override {
    return memory.find(data, bytes, GpuStream::running());
  }
  void enqueue(void* stream, std::function<void()> kernel) override {
    const std::lock_guard lock(mutex);
    static_cast<cudaStream_t>(stream)->stream->put(std::move(kernel));
  }

  // Runs work and returns the status of a call on this GPU.
  template <typename Work>
  cudaError_t call(int gpu, Work&& work) {
    const std::lock_guard lock(mutex);
    Gpu& mine = gpus[static_cast<std::size_t>(gpu)];
    if (mine.lost != cudaSuccess) return mine.lost;
    try {
      return work();
    } catch (const Fault& fault) {
      mine.lost = std::strstr(fault.what(), "outside everything") != nullptr ? cudaErrorIllegalAddress
                                                                             : cudaErrorLaunchFailure;
      mine.reason = fault.what();
      for (GpuStream* stream : mine.streams) stream->forget_all();
      return mine.lost;
    }
  }

  std::recursive_mutex mutex;
  std::array<Gpu, kMostGpus> gpus;
  GpuMemory& memory = GpuMemory::instance();
  std::map<const void*, std::size_t> pinned;
};

// Never destroyed, because threads may use it until the process ends.
Machine& machine() {
  static auto* the_machine = new Machine();
  return *the_machine;
}

int gpu_count() {
  const char* count =
      std::getenv("LVX_CUDA_STANDIN_GPUS");  // NOLINT(concurrency-mt-unsafe): nobody sets it meanwhile
  return count == nullptr ? 3 : std::min(std::atoi(count), kMostGpus);
}

// The location of the source or destination of a copy.
std::byte* side(const void* data, std::size_t bytes) {
  if (!machine().memory.reserved(data)) return static_cast<std::byte*>(const_cast<void*>(data));
  std::byte* found = machine().memory.find(data, bytes, GpuMemory::kNoGpu);
  if (found == nullptr) throw Fault("a copy outside everything that was allocated");
  return found;
}

GpuStream& of(cudaStream_t stream) { return *stream->stream; }

// Retries until the stream has reached the position. Releases the lock between attempts.
template <typename Run>
cudaError_t run_through(int gpu, Run&& run) {
  for (;;) {
    bool through = false;
    const cudaError_t result = machine().call(gpu, [&] {
      through = run();
      return cudaSuccess;
    });
    if (through || result != cudaSuccess) return result;
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

}  // namespace

#define STANDIN_API extern "C" __attribute__((visibility("default")))

// Creates a stream for a caller of the library that does not use this runtime itself.
STANDIN_API void* lvx_cuda_standin_stream(int gpu) {
  current_gpu = gpu;
  cudaStream_t stream = nullptr;
  return cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess ? stream : nullptr;
}
STANDIN_API int lvx_cuda_standin_wait(void* stream) {
  return cudaStreamSynchronize(static_cast<cudaStream_t>(stream));
}

STANDIN_API void lvx_cuda_standin_close(void* stream) {
  cudaStreamDestroy(static_cast<cudaStream_t>(stream));
}

cudaError_t cudaGetLastError() { return cudaSuccess; }

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    default:
      return "another cudaError";
  }
}

const char* cudaGetErrorString(cudaError_t error) {
  if (error == cudaErrorIllegalAddress || error == cudaErrorLaunchFailure) {
    return machine().gpus[static_cast<std::size_t>(current_gpu)].reason.c_str();
  }
  return "of the stand-in for the CUDA runtime";
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = gpu_count();
  return *count == 0 ? cudaErrorNoDevice : cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= gpu_count()) return cudaErrorInvalidDevice;
  current_gpu = device;
  return machine().call(device, [] { return cudaSuccess; });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = cudaDeviceProp{"simulated GPU", GpuMemory::kBytesOfEach, 9, 0, 4};
  return cudaSuccess;
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  *pool = new CUmemPoolHandle_st{properties->location.id};
  return cudaSuccess;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  delete pool;
  return cudaSuccess;
}

cudaError_t cudaMallocFromPoolAsync(void** data, std::size_t bytes, cudaMemPool_t pool, cudaStream_t) {
  return machine().call(pool->gpu, [&] {
    *data = machine().memory.allocate(pool->gpu, bytes);
    return *data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
  });
}

cudaError_t cudaFreeAsync(void* data, cudaStream_t stream) {
  if (machine().memory.owner(data) == GpuMemory::kNoGpu) return cudaErrorInvalidValue;
  machine().memory.retire(data);
  const cudaError_t result = machine().call(of(stream).gpu(), [&] {
    of(stream).put([data] { machine().memory.release(data); });
    return cudaSuccess;
  });
  if (result != cudaSuccess) machine().memory.release(data);
  return result;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return machine().call(current_gpu, [&] {
    *free = machine().memory.free_bytes(current_gpu);
    *total = GpuMemory::kBytesOfEach;
    return cudaSuccess;
  });
}

cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned) {
  return machine().call(current_gpu, [&] {
    *data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (*data == nullptr) return cudaErrorMemoryAllocation;
    machine().pinned[*data] = bytes;
    return cudaSuccess;
  });
}

cudaError_t cudaFreeHost(void* data) {
  const std::lock_guard lock(machine().mutex);
  if (machine().pinned.erase(data) == 0) return cudaErrorInvalidValue;
  std::free(data);
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* data) {
  return machine().call(current_gpu, [&] {
    const int owner = machine().memory.owner(data);
    attributes->device = owner;
    attributes->type = owner != GpuMemory::kNoGpu         ? cudaMemoryTypeDevice
                       : machine().pinned.count(data) > 0 ? cudaMemoryTypeHost
                                                          : cudaMemoryTypeUnregistered;
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return machine().call(of(stream).gpu(), [&] {
    of(stream).put([=] { std::memcpy(side(to, bytes), side(from, bytes), bytes); });
    return cudaSuccess;
  });
}

cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t stream) {
  return machine().call(of(stream).gpu(), [&] {
    of(stream).put([=] { std::memset(side(data, bytes), value, bytes); });
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  return machine().call(current_gpu, [&] {
    *stream = new CUstream_st{std::make_shared<GpuStream>(current_gpu)};
    machine().gpus[static_cast<std::size_t>(current_gpu)].streams.insert((*stream)->stream.get());
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const cudaError_t result = cudaStreamSynchronize(stream);
  const std::lock_guard lock(machine().mutex);
  machine().gpus[static_cast<std::size_t>(of(stream).gpu())].streams.erase(stream->stream.get());
  delete stream;
  return result;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return run_through(of(stream).gpu(), [&] { return of(stream).run_all(); });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return machine().call(of(stream).gpu(), [&] {
    if (event->recording != nullptr) of(stream).put_wait(event->recording);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st{};
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return machine().call(of(stream).gpu(), [&] {
    event->recording = of(stream).record();
    return cudaSuccess;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard lock(machine().mutex);
  Recording& recording = *event->recording;
  GpuStream& stream = *recording.stream;
  if (!stream.done(recording.position) && !std::exchange(recording.asked, true)) return cudaErrorNotReady;
  return machine().call(stream.gpu(),
                        [&] { return stream.run(recording.position) ? cudaSuccess : cudaErrorNotReady; });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const std::shared_ptr<Recording> recording = event->recording;
  return run_through(recording->stream->gpu(), [&] { return recording->stream->run(recording->position); });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  const std::lock_guard lock(machine().mutex);
  *milliseconds =
      std::chrono::duration<float, std::milli>(end->recording->passed - begin->recording->passed).count();
  return cudaSuccess;
}

// ---- Transfers by the stand-in for NCCL ----

namespace {

struct Turn {
  std::shared_ptr<GpuStream> stream;
  std::uint64_t before = 0;
  std::shared_ptr<std::atomic<bool>> over = std::make_shared<std::atomic<bool>>(false);
};

void* begin_transfer(void* stream) {
  auto turn = std::make_unique<Turn>();
  turn->stream = static_cast<cudaStream_t>(stream)->stream;
  const std::lock_guard lock(machine().mutex);
  turn->before = turn->stream->put_gate(turn->over);
  return turn.release();
}

// A lost GPU has no work left.
bool transfer_reached(void* turn) {
  GpuStream& stream = *static_cast<Turn*>(turn)->stream;
  bool reached = false;
  const cudaError_t result = machine().call(stream.gpu(), [&] {
    reached = stream.run(static_cast<Turn*>(turn)->before);
    return cudaSuccess;
  });
  return reached || result != cudaSuccess;
}

void end_transfer(void* turn) {
  const std::unique_ptr<Turn> ended(static_cast<Turn*>(turn));
  *ended->over = true;
}

std::byte* find_anywhere(const void* data, std::size_t bytes) {
  return machine().memory.find(data, bytes, GpuMemory::kNoGpu);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const lvx::test::GpuTransfers*
lvx_cuda_standin_transfers() {
  static constexpr lvx::test::GpuTransfers kTransfers{begin_transfer, transfer_reached, end_transfer,
                                                      find_anywhere};
  return &kTransfers;
}
