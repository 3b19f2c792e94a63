// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cudnn/attention.h"

#include <utility>

#include "base/error.h"
#include "device/cuda/cudnn/supported.h"
#include "device/cuda/launch/attention.h"
#include "device/cuda/launch/plan.h"

namespace lvx::cudnn {
namespace {

// Whether there is nothing to compute. The result is then the identity, which cuDNN would not return.
bool is_empty(const ProblemShape& p) { return p.rows() == 0 || p.keys == 0; }

// Few queries, as in decoding.
constexpr const char* kFewQueries =
    "with few queries keys grow from call to call, and cuDNN would plan each time";
bool has_few_queries(const ProblemShape& p) { return cuda::unit_rows_of(p) <= 2 * cuda::kDecodeRows; }

}  // namespace

Attention::Attention(MemoryOperations& device, const Gpu& gpu, lvx_attention_backend wanted, Stopwatch& watch,
                     std::shared_ptr<Choices> choices)
    : device_(device), gpu_(gpu), wanted_(wanted), watch_(watch), choices_(std::move(choices)) {
  if (wanted == LVX_ATTENTION_BACKEND_CUDNN) sdpa_ = std::make_unique<SdpaBackend>(device);
}

void Attention::require(const AttentionRequest& request) const {
  if (wanted_ != LVX_ATTENTION_BACKEND_CUDNN) return;
  const std::string why = why_not(request, gpu_.compute_major);
  if (!why.empty()) {
    throw Error(LVX_UNSUPPORTED, "attention backend LVX_ATTENTION_BACKEND_CUDNN: " + why +
                                     "; LVX_ATTENTION_BACKEND_AUTO takes our kernels then");
  }
}

std::size_t Attention::forward_scratch(const ProblemShape& shape, DType dtype) const {
  return cuda::forward_scratch(shape, dtype);
}

std::size_t Attention::backward_scratch(const ProblemShape& shape, DType dtype) const {
  return cuda::backward_scratch(shape, dtype);
}

bool Attention::loaded(std::string& reason) {
  try {
    if (sdpa_ == nullptr) sdpa_ = std::make_unique<SdpaBackend>(device_);
    return true;
  } catch (const Error& error) {
    if (error.status() != LVX_MISSING_LIBRARY) throw;
    reason = error.what();
    return false;
  }
}

// Chooses our kernels, and records that cuDNN supports no operation of this kind. The record's key has only the properties that
// the reason depends on.
lvx_attention_backend Attention::ours(bool backward, DType dtype, const std::string& reason) {
  Operation kind;
  kind.backward = backward;
  kind.dtype = dtype;
  AttentionBackendChoice choice;
  choice.backward = backward;
  choice.dtype = dtype;
  choice.reason = reason;
  choices_->note(kind, choice);
  return LVX_ATTENTION_BACKEND_LVX;
}

template <typename Problem, typename Measure>
lvx_attention_backend Attention::backend_for(const AttentionRequest& request, const Problem& a,
                                             Measure&& measure) {
  if (wanted_ == LVX_ATTENTION_BACKEND_LVX || is_empty(a.shape)) return LVX_ATTENTION_BACKEND_LVX;
  require(request);
  if (wanted_ == LVX_ATTENTION_BACKEND_CUDNN) return LVX_ATTENTION_BACKEND_CUDNN;

  const std::string refusal = why_not(request, gpu_.compute_major);
  if (!refusal.empty()) return ours(request.backward, request.dtype, refusal);
  if (has_few_queries(a.shape)) return ours(request.backward, request.dtype, kFewQueries);
  const Operation operation = operation_of(a.shape, a.q, a.k, a.v, request.backward);
  AttentionBackendChoice choice{
      request.backward, request.dtype, a.shape, LVX_ATTENTION_BACKEND_LVX, 0, 0, {}};
  if (!loaded(choice.reason)) return ours(request.backward, request.dtype, choice.reason);
  if (const auto known = choices_->find(operation)) return *known;
  if (choices_->full()) return LVX_ATTENTION_BACKEND_LVX;
  try {
    const Race times = measure();
    choice.lvx_seconds = times.lvx_seconds;
    choice.cudnn_seconds = times.cudnn_seconds;
    choice.attention_backend =
        times.cudnn_seconds < times.lvx_seconds ? LVX_ATTENTION_BACKEND_CUDNN : LVX_ATTENTION_BACKEND_LVX;
    choice.reason = "measured";
  } catch (const Error& error) {
    // There is no plan for this problem, or not enough memory to measure it.
    if (error.status() != LVX_UNSUPPORTED && error.status() != LVX_OUT_OF_MEMORY) throw;
    choice.reason = error.what();
  }
  return choices_->keep(operation, choice);
}

void Attention::forward(const cuda::Queue& queue, const ForwardProblem& a, std::span<std::byte> scratch) {
  const auto by_kernels = [&](const ForwardProblem& problem) { cuda::forward(queue, problem, scratch); };
  const lvx_attention_backend backend = backend_for(forward_request(a), a, [&] {
    const ProblemShape& p = a.shape;
    const DeviceMemory o(device_, static_cast<std::size_t>(p.query_elements() * size_of(a.q.dtype)));
    const DeviceMemory lse(device_, static_cast<std::size_t>(p.rows()) * sizeof(float));
    ForwardProblem trial = a;
    trial.merge = false;
    trial.out.o = compact_queries(o.data(), a.q.dtype, p);
    trial.out.lse = compact_row_values(lse.data(), DType::kFloat32, p);
    return race(
        watch_, [&] { by_kernels(trial); }, [&] { sdpa_->forward(queue, trial); });
  });
  if (backend == LVX_ATTENTION_BACKEND_CUDNN) {
    sdpa_->forward(queue, a);
  } else {
    by_kernels(a);
  }
  used_ |= 1U << backend;
}

void Attention::backward(const cuda::Queue& queue, const BackwardProblem& a, std::span<std::byte> scratch) {
  const auto by_kernels = [&](const BackwardProblem& problem) { cuda::backward(queue, problem, scratch); };
  const lvx_attention_backend backend = backend_for(backward_request(a), a, [&] {
    const ProblemShape& p = a.shape;
    const auto size = static_cast<std::size_t>(size_of(a.q.dtype));
    const DeviceMemory dq(device_, static_cast<std::size_t>(p.query_elements()) * size);
    const DeviceMemory dk(device_, static_cast<std::size_t>(p.key_elements()) * size);
    const DeviceMemory dv(device_, static_cast<std::size_t>(p.key_elements()) * size);
    BackwardProblem trial = a;
    trial.add_dq = trial.add_dkv = false;
    trial.dq = compact_queries(dq.data(), a.q.dtype, p);
    trial.dk = compact_keys(dk.data(), a.q.dtype, p);
    trial.dv = compact_keys(dv.data(), a.q.dtype, p);
    return race(
        watch_, [&] { by_kernels(trial); }, [&] { sdpa_->backward(queue, trial); });
  });
  if (backend == LVX_ATTENTION_BACKEND_CUDNN) {
    sdpa_->backward(queue, a);
  } else {
    by_kernels(a);
  }
  used_ |= 1U << backend;
}

std::uint32_t Attention::take_used() { return std::exchange(used_, 0); }

}  // namespace lvx::cudnn
