// SPDX-License-Identifier: Apache-2.0
// The CUDA device: a memory pool, and one stream, its own or the caller's, on which all work is enqueued.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "attention/half.h"
#include "base/error.h"
#include "base/plugin.h"
#include "device/cuda/cudnn/attention.h"
#include "device/cuda/device/pool.h"
#include "device/cuda/device/side_stream.h"
#include "device/cuda/device/stream.h"
#include "device/cuda/launch/check.h"
#include "device/cuda/launch/tensors.h"
#include "device/cuda/layers/cuda_layers.h"
#include "device/cuda/layers/make_products.h"
#include "device/extents.h"
#include "device/plugin.h"
#include "device/shards_seen.h"

namespace lvx::cuda {
namespace {

int checked_ordinal(int ordinal) {
  int count = 0;
  check(cudaGetDeviceCount(&count), "search for GPUs");
  if (ordinal < 0 || ordinal >= count) {
    throw ArgumentError(
        LVX_INVALID_ARGUMENT, "options.ordinal",
        "expected a GPU from 0 to " + std::to_string(count - 1) + ", got " + std::to_string(ordinal));
  }
  make_current(ordinal);
  return ordinal;
}

cudaDeviceProp properties_of(int ordinal) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, ordinal), "properties of the GPU");
  if (properties.major < 8) {
    throw Error(LVX_UNSUPPORTED,
                "expected a GPU of compute capability 8.0 or later, got " + std::string(properties.name) +
                    " of " + std::to_string(properties.major) + "." + std::to_string(properties.minor));
  }
  return properties;
}

// Measures times by events on the stream.
class StreamWatch final : public cudnn::Stopwatch {
 public:
  explicit StreamWatch(cudaStream_t stream) : stream_(stream) {}
  double seconds(const std::function<void()>& work) override {
    const Event begin(Event::Kind::kMeasures);
    const Event end(Event::Kind::kMeasures);
    check(cudaEventRecord(begin, stream_), "event");
    work();
    check(cudaEventRecord(end, stream_), "event");
    check(cudaEventSynchronize(end), "event");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "event");
    return milliseconds * 1e-3;
  }

 private:
  cudaStream_t stream_;
};

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(const CudaOptions& options)
      : ordinal_(checked_ordinal(options.ordinal)),
        properties_(properties_of(ordinal_)),
        stream_(options.stream),
        pool_(ordinal_, options.memory_budget),
        watch_(stream_),
        attention_(*this, {properties_.major}, options.attention_backend, watch_,
                   cudnn::Choices::of_gpu(ordinal_)) {}
  ~CudaDevice() override {
    // Memory must not be freed while kernels use it.
    cudaSetDevice(ordinal_);
    cudaStreamSynchronize(stream_);
  }

  lvx_device_kind kind() const override { return LVX_CUDA; }
  int ordinal() const override { return ordinal_; }
  int threads() const override { return 1; }
  std::string name() const override { return properties_.name; }
  GpuProperties gpu() const override {
    GpuProperties gpu;
    gpu.compute_major = properties_.major;
    gpu.compute_minor = properties_.minor;
    gpu.multiprocessors = properties_.multiProcessorCount;
    make_current(ordinal_);
    check(cudaMemGetInfo(&gpu.memory_free, &gpu.memory_total), "memory of the GPU");
    return gpu;
  }

  std::byte* allocate(std::size_t bytes) override {
    make_current(ordinal_);
    return pool_.allocate(bytes, stream_);
  }
  void release(std::byte* data, std::size_t bytes) noexcept override {
    cudaSetDevice(ordinal_);
    pool_.release(data, bytes, stream_);
  }
  std::size_t bytes_in_use() const override { return pool_.in_use(); }
  std::size_t peak_bytes() const override { return pool_.peak(); }
  std::size_t memory_budget() const override { return pool_.budget(); }
  std::byte* allocate_host(std::size_t bytes) override {
    make_current(ordinal_);
    void* data = nullptr;
    const cudaError_t result = cudaHostAlloc(&data, bytes, cudaHostAllocPortable);
    if (result == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw Error(LVX_OUT_OF_MEMORY, no_host_memory(bytes) + " that can be page-locked");
    }
    check(result, "page-locked memory");
    return static_cast<std::byte*>(std::memset(data, 0, bytes));
  }
  void release_host(std::byte* data) noexcept override {
    cudaSetDevice(ordinal_);
    cudaStreamSynchronize(stream_);  // copies from or to this memory may be in progress
    if (cudaFreeHost(data) != cudaSuccess) cudaGetLastError();
  }
  void check_address(const void* data) const override {
    make_current(ordinal_);
    cudaPointerAttributes found{};
    check(cudaPointerGetAttributes(&found, data), "search for an address");
    if (found.type == cudaMemoryTypeManaged) return;
    if (found.type == cudaMemoryTypeDevice && found.device == ordinal_) return;
    const std::string where =
        found.type == cudaMemoryTypeDevice ? "memory of GPU " + std::to_string(found.device)
        : found.type == cudaMemoryTypeHost ? "page-locked host memory"
                                           : "memory that CUDA does not know, as the host's";
    throw ArgumentError(LVX_INVALID_ARGUMENT, "data",
                        "expected memory of GPU " + std::to_string(ordinal_) + ", got " + where);
  }
  void zero(std::byte* data, std::size_t bytes) override {
    if (bytes > 0) check(cudaMemsetAsync(data, 0, bytes, queue_stream()), "zeros");
  }

  std::size_t forward_scratch(const ProblemShape& shape, DType dtype) const override {
    return attention_.forward_scratch(shape, dtype);
  }
  std::size_t backward_scratch(const ProblemShape& shape, DType dtype) const override {
    return attention_.backward_scratch(shape, dtype);
  }
  void require_attention(const AttentionRequest& request) const override { attention_.require(request); }
  void forward(const ForwardProblem& problem, std::span<std::byte> scratch) override {
    require_extents_of_problem(problem);
    attention_.forward(queue(), problem, scratch);
  }
  void backward(const BackwardProblem& problem, std::span<std::byte> scratch) override {
    require_extents_of_problem(problem);
    attention_.backward(queue(), problem, scratch);
  }
  std::uint32_t take_attention_backends_used() override { return attention_.take_used(); }
  std::vector<AttentionBackendChoice> attention_backend_choices() const override {
    return attention_.choices();
  }
  void merge(const Partial& part, const Partial& into) override { cuda::merge(queue(), part, into); }
  void delta(const Bshd& o, const Bshd& d_o, const Bhs& delta) override {
    cuda::delta(queue(), o, d_o, delta);
  }
  void copy(const Bshd& from, const Bshd& to) override { cuda::copy(queue(), from, to, false); }
  void copy(const Visibility& from, std::int32_t* to) override { cuda::copy(queue(), from, to); }
  void add(const Bshd& from, const Bshd& to) override { cuda::copy(queue(), from, to, true); }
  void shards_seen(const Visibility& visibility, std::span<const std::int64_t> bounds,
                   std::span<std::uint8_t> seen) override {
    if (visibility.everything()) return find_shards_seen(visibility, bounds, seen);
    const auto [batch, rows] = std::pair(visibility.batch, visibility.rows);
    std::vector<std::int32_t> ranges(static_cast<std::size_t>(batch * rows * visibility.ranges * 2));
    if (!ranges.empty()) {
      const std::size_t bytes = ranges.size() * sizeof(std::int32_t);
      const DeviceMemory compact(*this, bytes);
      copy(visibility, reinterpret_cast<std::int32_t*>(compact.data()));
      check(cudaMemcpyAsync(ranges.data(), compact.data(), bytes, cudaMemcpyDeviceToHost, stream_),
            "visibility");
      check(cudaStreamSynchronize(stream_), "visibility");
    }
    find_shards_seen(compact_visibility(ranges.data(), batch, rows, visibility.ranges), bounds, seen);
  }

  void copy_bytes(const std::byte* from, std::byte* to, std::size_t bytes) override {
    if (bytes > 0) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, queue_stream()), "copy");
  }
  void synchronize() override { check(cudaStreamSynchronize(queue_stream()), "end of the work on the GPU"); }

  std::unique_ptr<SideStream> side_stream() override { return make_side_stream(ordinal_, queue_stream()); }

  LayerOperations& layers() override { return layers_; }

  // Times one product of bfloat16 matrices, after another to warm up.
  double probe_gemm(std::int64_t n) override {
    const std::size_t bytes = static_cast<std::size_t>(n * n) * 2;
    const DeviceMemory a(*this, bytes);
    const DeviceMemory b(*this, bytes);
    const DeviceMemory c(*this, bytes);
    const DeviceMemory workspace(*this, layers_.products().workspace());
    // Numbers from -3 to 3, because zeros draw less power than real data.
    std::vector<std::uint16_t> numbers(static_cast<std::size_t>(n * n));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = to_bfloat16(static_cast<float>(i * i % 7) - 3.0f).bits;
    }
    for (const DeviceMemory* x : {&a, &b}) {
      copy_bytes(reinterpret_cast<const std::byte*>(numbers.data()), x->data(), bytes);
    }
    const auto matrix = [n](const DeviceMemory& memory) {
      return Matrix{memory.data(), DType::kBFloat16, n};
    };
    const Product product{n, n, n, matrix(a), matrix(b), matrix(c), {}, false};
    const auto multiply = [&] {
      layers_.products().multiply(queue(), product, {workspace.data(), workspace.bytes()});
    };
    const Event begin(Event::Kind::kMeasures);
    const Event end(Event::Kind::kMeasures);
    multiply();  // warms up
    check(cudaEventRecord(begin, stream_), "event");
    multiply();
    check(cudaEventRecord(end, stream_), "event");
    check(cudaEventSynchronize(end), "event");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "event");
    return milliseconds * 1e-3;
  }
  // A copy within the GPU, which reads half of the bytes and writes the other half.
  double probe_read(std::size_t bytes) override {
    const std::size_t half = std::max<std::size_t>(bytes / 2, 1);
    const DeviceMemory from(*this, half);
    const DeviceMemory to(*this, half);
    zero(from.data(), half);
    copy_bytes(from.data(), to.data(), half);  // warms up
    return watch_.seconds([&] { copy_bytes(from.data(), to.data(), half); });
  }

 private:
  cudaStream_t queue_stream() {
    make_current(ordinal_);
    return stream_;
  }
  Queue queue() { return {queue_stream()}; }

  int ordinal_;
  cudaDeviceProp properties_;
  Stream stream_;
  Pool pool_;
  StreamWatch watch_;
  cudnn::Attention attention_;
  CudaLayers layers_{*this, [this] { return queue(); },
                     [this] {
                       make_current(ordinal_);
                       // NVIDIA's recommendation.
                       return make_products(properties_.major >= 9 ? 32 << 20 : 4 << 20);
                     }};
};

}  // namespace
}  // namespace lvx::cuda

#define LVX_PLUGIN_API extern "C" __attribute__((visibility("default")))

LVX_PLUGIN_API const char* lvx_plugin_version() { return LVX_VERSION; }

LVX_PLUGIN_API lvx::Device* lvx_plugin_open_cuda(const lvx::CudaOptions* options) {
  return new lvx::cuda::CudaDevice(*options);
}

LVX_PLUGIN_API std::size_t lvx_plugin_load_cudnn() { return lvx::cudnn::loaded_api().get_version(); }
