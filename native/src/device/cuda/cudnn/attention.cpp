// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cudnn/attention.h"

#include <utility>

#include "base/error.h"
#include "device/cuda/cudnn/supported.h"
#include "device/cuda/launch/attention.h"
#include "device/cuda/launch/plan.h"

namespace lvx::cudnn {
namespace {

// Nothing to compute: the identity, which cuDNN would not give.
bool is_empty(const Problem& p) { return p.rows() == 0 || p.keys == 0; }

// As in decoding.
constexpr const char* kFewQueries =
    "with few queries keys grow from call to call, and cuDNN would plan each time";
bool has_few_queries(const Problem& p) { return cuda::unit_rows_of(p) <= 2 * cuda::kDecodeRows; }

}  // namespace

Attention::Attention(Device& device, const Gpu& gpu, lvx_engine wanted, Stopwatch& watch,
                     std::shared_ptr<Choices> choices)
    : device_(device), gpu_(gpu), wanted_(wanted), watch_(watch), choices_(std::move(choices)) {
  if (wanted == LVX_ENGINE_CUDNN) engine_ = std::make_unique<Engine>(device);
}

void Attention::require(const AttentionRequest& request) const {
  if (wanted_ != LVX_ENGINE_CUDNN) return;
  const std::string why = why_not(request, gpu_.compute_major);
  if (!why.empty()) {
    throw Error(LVX_UNSUPPORTED,
                "engine LVX_ENGINE_CUDNN: " + why + "; LVX_ENGINE_AUTO takes our kernels then");
  }
}

std::size_t Attention::forward_scratch(const Problem& problem, DType dtype) const {
  return cuda::forward_scratch(problem, dtype);
}

std::size_t Attention::backward_scratch(const Problem& problem, DType dtype) const {
  return cuda::backward_scratch(problem, dtype);
}

bool Attention::loaded(std::string& reason) {
  try {
    if (engine_ == nullptr) engine_ = std::make_unique<Engine>(device_);
    return true;
  } catch (const Error& error) {
    if (error.status() != LVX_MISSING_LIBRARY) throw;
    reason = error.what();
    return false;
  }
}

// Notes that no operation of this kind is cuDNN's. Only what the reason is about is told apart.
lvx_engine Attention::ours(bool backward, DType dtype, const std::string& reason) {
  Operation kind;
  kind.backward = backward;
  kind.dtype = dtype;
  EngineChoice choice;
  choice.backward = backward;
  choice.dtype = dtype;
  choice.reason = reason;
  choices_->note(kind, choice);
  return LVX_ENGINE_LVX;
}

template <typename Arguments, typename Measure>
lvx_engine Attention::engine_for(const AttentionRequest& request, const Arguments& a, Measure&& measure) {
  if (wanted_ == LVX_ENGINE_LVX || is_empty(a.problem)) return LVX_ENGINE_LVX;
  require(request);
  if (wanted_ == LVX_ENGINE_CUDNN) return LVX_ENGINE_CUDNN;

  const std::string refusal = why_not(request, gpu_.compute_major);
  if (!refusal.empty()) return ours(request.backward, request.dtype, refusal);
  if (has_few_queries(a.problem)) return ours(request.backward, request.dtype, kFewQueries);
  const Operation operation = operation_of(a.problem, a.q, a.k, a.v, request.backward);
  EngineChoice choice{request.backward, request.dtype, a.problem, LVX_ENGINE_LVX, 0, 0, {}};
  if (!loaded(choice.reason)) return ours(request.backward, request.dtype, choice.reason);
  if (const auto known = choices_->find(operation)) return *known;
  if (choices_->full()) return LVX_ENGINE_LVX;
  try {
    const Race times = measure();
    choice.lvx_seconds = times.lvx_seconds;
    choice.cudnn_seconds = times.cudnn_seconds;
    choice.engine = times.cudnn_seconds < times.lvx_seconds ? LVX_ENGINE_CUDNN : LVX_ENGINE_LVX;
    choice.reason = "measured";
  } catch (const Error& error) {
    // No plan for this problem, or no memory to try it in.
    if (error.status() != LVX_UNSUPPORTED && error.status() != LVX_OUT_OF_MEMORY) throw;
    choice.reason = error.what();
  }
  return choices_->keep(operation, choice);
}

void Attention::forward(const cuda::Queue& queue, const ForwardArguments& a, std::span<std::byte> scratch) {
  const auto by_kernels = [&](const ForwardArguments& arguments) {
    cuda::forward(queue, arguments, scratch);
  };
  const lvx_engine engine = engine_for(forward_request(a), a, [&] {
    const Problem& p = a.problem;
    const DeviceMemory o(device_, static_cast<std::size_t>(p.query_elements() * size_of(a.q.dtype)));
    const DeviceMemory lse(device_, static_cast<std::size_t>(p.rows()) * sizeof(float));
    ForwardArguments trial = a;
    trial.merge = false;
    trial.out.o = compact_bshd(o.data(), a.q.dtype, p.queries, p.query_heads, p.head_dim);
    trial.out.lse = compact_bhs(lse.data(), DType::kFloat32, p.query_heads, p.queries);
    return race(
        watch_, [&] { by_kernels(trial); }, [&] { engine_->forward(queue, trial); });
  });
  if (engine == LVX_ENGINE_CUDNN) {
    engine_->forward(queue, a);
  } else {
    by_kernels(a);
  }
  used_ |= 1U << engine;
}

void Attention::backward(const cuda::Queue& queue, const BackwardArguments& a, std::span<std::byte> scratch) {
  const auto by_kernels = [&](const BackwardArguments& arguments) {
    cuda::backward(queue, arguments, scratch);
  };
  const lvx_engine engine = engine_for(backward_request(a), a, [&] {
    const Problem& p = a.problem;
    const auto size = static_cast<std::size_t>(size_of(a.q.dtype));
    const DeviceMemory dq(device_, static_cast<std::size_t>(p.query_elements()) * size);
    const DeviceMemory dk(device_, static_cast<std::size_t>(p.key_elements()) * size);
    const DeviceMemory dv(device_, static_cast<std::size_t>(p.key_elements()) * size);
    BackwardArguments trial = a;
    trial.add_dq = trial.add_dkv = false;
    trial.dq = compact_bshd(dq.data(), a.q.dtype, p.queries, p.query_heads, p.head_dim);
    trial.dk = compact_bshd(dk.data(), a.q.dtype, p.keys, p.key_heads, p.head_dim);
    trial.dv = compact_bshd(dv.data(), a.q.dtype, p.keys, p.key_heads, p.head_dim);
    return race(
        watch_, [&] { by_kernels(trial); }, [&] { engine_->backward(queue, trial); });
  });
  if (engine == LVX_ENGINE_CUDNN) {
    engine_->backward(queue, a);
  } else {
    by_kernels(a);
  }
  used_ |= 1U << engine;
}

std::uint32_t Attention::take_used() { return std::exchange(used_, 0); }

}  // namespace lvx::cudnn
