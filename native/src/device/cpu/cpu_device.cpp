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
#include "device/cpu/thread_pool.h"
#include "device/extents.h"
#include "device/shards_seen.h"

namespace lvx {
namespace {

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(const CpuOptions& options)
      : team_(options.threads == 0 ? usable_threads() : options.threads), memory_(options.memory_budget) {}

  lvx_device_kind kind() const override { return LVX_CPU; }
  int ordinal() const override { return 0; }
  int threads() const override { return team_.threads(); }
  std::string name() const override { return "CPU " + instruction_set(); }

  std::byte* allocate(std::size_t bytes) override { return memory_.allocate(bytes); }
  void release(std::byte* data, std::size_t bytes) noexcept override { memory_.release(data, bytes); }
  std::size_t bytes_in_use() const override { return memory_.in_use(); }
  std::size_t peak_bytes() const override { return memory_.peak(); }
  std::size_t memory_budget() const override { return memory_.budget(); }
  void zero(std::byte* data, std::size_t bytes) override {
    if (bytes > 0) std::memset(data, 0, bytes);
  }

  std::size_t forward_scratch(const ProblemShape& shape, DType dtype) const override {
    return cpu::forward_scratch(shape, dtype, threads());
  }
  std::size_t backward_scratch(const ProblemShape& shape, DType dtype) const override {
    return cpu::backward_scratch(shape, dtype, threads());
  }
  void forward(const ForwardProblem& problem, std::span<std::byte> scratch) override {
    require_extents_of_problem(problem);
    cpu::forward(team_, problem, scratch);
  }
  void backward(const BackwardProblem& problem, std::span<std::byte> scratch) override {
    require_extents_of_problem(problem);
    cpu::backward(team_, problem, scratch);
  }

  void merge(const Partial& part, const Partial& into) override { cpu::merge(team_, part, into); }
  void delta(const Bshd& o, const Bshd& d_o, const Bhs& delta) override { cpu::delta(team_, o, d_o, delta); }
  void copy(const Bshd& from, const Bshd& to) override { cpu::copy(team_, from, to); }
  void copy(const Visibility& from, std::int32_t* to) override { cpu::copy(team_, from, to); }
  void add(const Bshd& from, const Bshd& to) override { cpu::add(team_, from, to); }
  void shards_seen(const Visibility& visibility, std::span<const std::int64_t> bounds,
                   std::span<std::uint8_t> seen) override {
    find_shards_seen(visibility, bounds, seen);
  }

  LayerOperations& layers() override { return layers_; }

  double probe_gemm(std::int64_t n) override { return cpu::probe_gemm(team_, memory_, n); }
  double probe_read(std::size_t bytes) override { return cpu::probe_read(team_, memory_, bytes); }

 private:
  ThreadTeam team_;
  CpuLayers layers_{team_};
  Memory memory_;
};

}  // namespace

std::unique_ptr<Device> make_cpu_device(const CpuOptions& options) {
  choose_instruction_set();
  return std::make_unique<CpuDevice>(options);
}

}  // namespace lvx
