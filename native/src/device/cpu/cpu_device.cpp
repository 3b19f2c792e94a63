// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/cpu_device.h"

#include <cstring>

#include "device/cpu/backward.h"
#include "device/cpu/elementwise.h"
#include "device/cpu/forward.h"
#include "device/cpu/instruction_set.h"
#include "device/cpu/layers/cpu_layers.h"
#include "device/cpu/memory.h"
#include "device/cpu/probe.h"
#include "device/cpu/workers.h"
#include "device/shards_seen.h"

namespace lvx {
namespace {

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(const CpuOptions& options)
      : workers_(options.threads == 0 ? usable_threads() : options.threads), memory_(options.memory_budget) {}

  lvx_device_kind kind() const override { return LVX_CPU; }
  int ordinal() const override { return 0; }
  int threads() const override { return workers_.threads(); }
  std::string name() const override { return "CPU " + instruction_set(); }

  std::byte* allocate(std::size_t bytes) override { return memory_.allocate(bytes); }
  void release(std::byte* data, std::size_t bytes) noexcept override { memory_.release(data, bytes); }
  std::size_t bytes_in_use() const override { return memory_.in_use(); }
  std::size_t peak_bytes() const override { return memory_.peak(); }
  std::size_t memory_budget() const override { return memory_.budget(); }
  void zero(std::byte* data, std::size_t bytes) override {
    if (bytes > 0) std::memset(data, 0, bytes);
  }

  std::size_t forward_scratch(const Problem& problem, DType dtype) const override {
    return cpu::forward_scratch(problem, dtype, threads());
  }
  std::size_t backward_scratch(const Problem& problem, DType dtype) const override {
    return cpu::backward_scratch(problem, dtype, threads());
  }
  void forward(const ForwardArguments& arguments, std::span<std::byte> scratch) override {
    cpu::forward(workers_, arguments, scratch);
  }
  void backward(const BackwardArguments& arguments, std::span<std::byte> scratch) override {
    cpu::backward(workers_, arguments, scratch);
  }

  void merge(const Problem& problem, const Partial& part, const Partial& into) override {
    cpu::merge(workers_, problem, part, into);
  }
  void delta(const Problem& problem, const Bshd& o, const Bshd& d_o, const Bhs& delta) override {
    cpu::delta(workers_, problem, o, d_o, delta);
  }
  void copy(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim, const Bshd& from,
            const Bshd& to) override {
    cpu::copy(workers_, batch, rows, heads, dim, from, to);
  }
  void copy(std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& from,
            const Bhs& to) override {
    cpu::copy(workers_, batch, heads, rows, from, to);
  }
  void add(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim, const Bshd& from,
           const Bshd& to) override {
    cpu::add(workers_, batch, rows, heads, dim, from, to);
  }
  void copy(std::int64_t batch, std::int64_t rows, const Visibility& from,
            std::int32_t* to_compact) override {
    cpu::copy(workers_, batch, rows, from, to_compact);
  }
  void shards_seen(std::int64_t batch, std::int64_t rows, const Visibility& visibility,
                   std::span<const std::int64_t> bounds, std::span<std::uint8_t> seen) override {
    find_shards_seen(batch, rows, visibility, bounds, seen);
  }

  LayerOperations& layers() override { return layers_; }

  double probe_gemm(std::int64_t n) override { return cpu::probe_gemm(workers_, memory_, n); }
  double probe_read(std::size_t bytes) override { return cpu::probe_read(workers_, memory_, bytes); }

 private:
  Workers workers_;
  CpuLayers layers_{workers_};
  Memory memory_;
};

}  // namespace

std::unique_ptr<Device> make_cpu_device(const CpuOptions& options) {
  choose_instruction_set();
  return std::make_unique<CpuDevice>(options);
}

}  // namespace lvx
