// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cudnn/sdpa_backend.h"

#include "attention/alignment.h"
#include "device/cuda/collective/row_blocks.h"
#include "device/cuda/launch/tensors.h"

namespace lvx::cudnn {
namespace {

constexpr std::size_t kMostPlans = 128;

constexpr std::int64_t kAlignment = 16;

// A tensor that cuDNN writes: the caller's tensor if its layout is suitable, else a temporary, which finish copies to the
// caller's tensor.
class Output {
 public:
  Output(MemoryOperations& device, const Bshd& wanted, DType dtype, bool add)
      : wanted_(wanted),
        add_(add),
        own_(!add && wanted.dtype == dtype && rows_aligned(wanted, kAlignment)),
        memory_(device, own_ ? 0 : static_cast<std::size_t>(wanted.elements() * size_of(dtype))),
        written_(own_ ? wanted
                      : compact_bshd(memory_.data(), dtype, wanted.batch, wanted.rows, wanted.heads,
                                     wanted.dim)) {}

  const Bshd& written() const { return written_; }
  Strides strides() const { return strides_of(written_); }
  void finish(const cuda::Queue& queue) const {
    if (!own_) cuda::copy(queue, written_, wanted_, add_);
  }

 private:
  Bshd wanted_;
  bool add_;
  bool own_;  // wanted itself will do
  DeviceMemory memory_;
  Bshd written_;
};

bool is_aligned(const Bhs& x) { return reinterpret_cast<std::uintptr_t>(x.data) % kAlignment == 0; }

// lse for cuDNN: in place, or in a temporary.
class Statistics {
 public:
  Statistics(MemoryOperations& device, const ProblemShape& p, const Bhs& wanted, bool use_wanted)
      : wanted_(wanted),
        own_(use_wanted && is_aligned(wanted)),
        memory_(device, own_ ? 0 : static_cast<std::size_t>(p.rows()) * sizeof(float)),
        view_(own_ ? wanted : compact_row_values(memory_.data(), DType::kFloat32, p)) {}

  const Bhs& view() const { return view_; }
  void fill(const cuda::Queue& queue) const {
    if (!own_) cuda::copy(queue, as_bshd(wanted_), as_bshd(view_), false);
  }
  void finish(const cuda::Queue& queue) const {
    if (!own_) cuda::copy(queue, as_bshd(view_), as_bshd(wanted_), false);
  }

 private:
  Bhs wanted_;
  bool own_;  // wanted itself will do
  DeviceMemory memory_;
  Bhs view_;
};

}  // namespace

SdpaBackend::~SdpaBackend() {
  found_.clear();
  plans_.clear();
  if (handle_ != nullptr) api_.destroy(handle_);
}

const Plan& SdpaBackend::plan_for(const Operation& operation) {
  if (const auto known = found_.find(operation); known != found_.end()) {
    plans_.splice(plans_.begin(), plans_, known->second);
    return plans_.front().second;
  }
  plans_.emplace_front(operation, Plan(api_, {handle_, nullptr}, operation));
  found_.emplace(operation, plans_.begin());
  if (plans_.size() > kMostPlans) {
    found_.erase(plans_.back().first);
    plans_.pop_back();
  }
  return plans_.front().second;
}

void SdpaBackend::execute(const cuda::Queue& queue, const Operation& operation, const Pointers& pointers) {
  if (handle_ == nullptr) api_.check(api_.create(&handle_), "start");
  api_.check(api_.set_stream(handle_, queue.stream), "stream");
  const Plan& plan = plan_for(operation);
  const DeviceMemory workspace(device_, plan.workspace_bytes());
  plan.execute(handle_, pointers, workspace.data());
}

void SdpaBackend::forward(const cuda::Queue& queue, const ForwardProblem& a) {
  const ProblemShape& p = a.shape;
  // A temporary if the result is to be merged into a.out.
  const Output o(device_, a.out.o, a.q.dtype, a.merge);
  const Statistics lse(device_, p, a.out.lse, !a.merge);
  const Partial part{o.written(), lse.view()};

  Operation operation = operation_of(p, a.q, a.k, a.v, false);
  operation.o = strides_of(part.o);
  operation.lse = strides_of(part.lse);
  auto scale = static_cast<float>(p.scale);
  Pointers pointers{};
  pointers.q = a.q.data;
  pointers.k = a.k.data;
  pointers.v = a.v.data;
  pointers.o = part.o.data;
  pointers.lse = part.lse.data;
  pointers.scale = &scale;
  execute(queue, operation, pointers);
  if (a.merge) {
    cuda::merge(queue, part, a.out);
  } else {
    o.finish(queue);
    lse.finish(queue);
  }
}

void SdpaBackend::backward(const cuda::Queue& queue, const BackwardProblem& a) {
  const ProblemShape& p = a.shape;
  const DType dtype = a.q.dtype;
  const Output dq(device_, a.dq, dtype, a.add_dq);
  const Output dk(device_, a.dk, dtype, a.add_dkv);
  const Output dv(device_, a.dv, dtype, a.add_dkv);
  const Statistics lse(device_, p, a.lse, true);
  lse.fill(queue);
  // cuDNN computes delta from o, which this rank does not have. So cuDNN gets an o that yields the same delta.
  const DeviceMemory output(device_, static_cast<std::size_t>(p.query_elements() * size_of(dtype)));
  const Bshd o = compact_queries(output.data(), dtype, p);
  cuda::launch<cuda::OutputOfDelta>(queue, cuda::row_blocks(p.rows()),
                                    cuda::OutputOfDeltaParams{p, a.d_o, a.delta, o});

  Operation operation = operation_of(p, a.q, a.k, a.v, true);
  operation.o = strides_of(o);
  operation.lse = strides_of(lse.view());
  operation.d_o = strides_of(a.d_o);
  operation.dq = dq.strides();
  operation.dk = dk.strides();
  operation.dv = dv.strides();
  auto scale = static_cast<float>(p.scale);
  Pointers pointers{};
  pointers.q = a.q.data;
  pointers.k = a.k.data;
  pointers.v = a.v.data;
  pointers.o = o.data;
  pointers.lse = lse.view().data;
  pointers.scale = &scale;
  pointers.d_o = a.d_o.data;
  pointers.dq = dq.written().data;
  pointers.dk = dk.written().data;
  pointers.dv = dv.written().data;
  execute(queue, operation, pointers);
  dq.finish(queue);
  dk.finish(queue);
  dv.finish(queue);
}

}  // namespace lvx::cudnn
