// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cudnn/engine.h"

#include "attention/alignment.h"
#include "device/cuda/collective/row_blocks.h"
#include "device/cuda/launch/tensors.h"

namespace lvx::cudnn {
namespace {

constexpr std::size_t kMostPlans = 128;

constexpr std::int64_t kAlignment = 16;

// A tensor that cuDNN writes: the caller's own where that will do, else memory of this call, which finish puts in place.
class Output {
 public:
  Output(Device& device, const Problem& p, const Bshd& wanted, std::int64_t rows, std::int64_t heads,
         DType dtype, bool add)
      : problem_(p),
        wanted_(wanted),
        rows_(rows),
        heads_(heads),
        add_(add),
        own_(!add && wanted.dtype == dtype && rows_aligned(wanted, p.batch, rows, heads, kAlignment)),
        memory_(device,
                own_ ? 0 : static_cast<std::size_t>(p.batch * rows * heads * p.head_dim * size_of(dtype))),
        written_(own_ ? wanted : compact_bshd(memory_.data(), dtype, rows, heads, p.head_dim)) {}

  const Bshd& written() const { return written_; }
  Strides strides() const { return strides_of(written_, problem_, rows_, heads_); }
  void finish(const cuda::Queue& queue) const {
    if (own_) return;
    cuda::copy(queue, problem_.batch, rows_, heads_, problem_.head_dim, written_, wanted_, add_);
  }

 private:
  const Problem& problem_;
  Bshd wanted_;
  std::int64_t rows_, heads_;
  bool add_;
  bool own_;  // wanted itself will do
  DeviceMemory memory_;
  Bshd written_;
};

bool is_aligned(const Bhs& x) { return reinterpret_cast<std::uintptr_t>(x.data) % kAlignment == 0; }

// Where lse can lie for cuDNN: where it is, or in memory of this call.
class Statistics {
 public:
  Statistics(Device& device, const Problem& p, const Bhs& wanted, bool use_wanted)
      : wanted_(wanted),
        own_(use_wanted && is_aligned(wanted)),
        memory_(device, own_ ? 0 : static_cast<std::size_t>(p.rows()) * sizeof(float)),
        view_(own_ ? wanted : compact_bhs(memory_.data(), DType::kFloat32, p.query_heads, p.queries)) {}

  const Bhs& view() const { return view_; }
  void fill(const cuda::Queue& queue, const Problem& p) const {
    if (!own_) cuda::copy(queue, p.batch, p.query_heads, p.queries, wanted_, view_);
  }
  void finish(const cuda::Queue& queue, const Problem& p) const {
    if (!own_) cuda::copy(queue, p.batch, p.query_heads, p.queries, view_, wanted_);
  }

 private:
  Bhs wanted_;
  bool own_;  // wanted itself will do
  DeviceMemory memory_;
  Bhs view_;
};

}  // namespace

Engine::~Engine() {
  found_.clear();
  plans_.clear();
  if (handle_ != nullptr) api_.destroy(handle_);
}

const Plan& Engine::plan_for(const Operation& operation) {
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

void Engine::execute(const cuda::Queue& queue, const Operation& operation, const Pointers& pointers) {
  if (handle_ == nullptr) api_.check(api_.create(&handle_), "start");
  api_.check(api_.set_stream(handle_, queue.stream), "stream");
  const Plan& plan = plan_for(operation);
  const DeviceMemory workspace(device_, plan.workspace_bytes());
  plan.execute(handle_, pointers, workspace.data());
}

void Engine::forward(const cuda::Queue& queue, const ForwardArguments& a) {
  const Problem& p = a.problem;
  // A partial result of its own where it is merged into another.
  const Output o(device_, p, a.out.o, p.queries, p.query_heads, a.q.dtype, a.merge);
  const Statistics lse(device_, p, a.out.lse, !a.merge);
  const Partial part{o.written(), lse.view()};

  Operation operation = operation_of(p, a.q, a.k, a.v, false);
  operation.o = strides_of(part.o, p, p.queries, p.query_heads);
  operation.lse = strides_of(part.lse, p);
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
    cuda::merge(queue, p, part, a.out);
  } else {
    o.finish(queue);
    lse.finish(queue, p);
  }
}

void Engine::backward(const cuda::Queue& queue, const BackwardArguments& a) {
  const Problem& p = a.problem;
  const DType dtype = a.q.dtype;
  const Output dq(device_, p, a.dq, p.queries, p.query_heads, dtype, a.add_dq);
  const Output dk(device_, p, a.dk, p.keys, p.key_heads, dtype, a.add_dkv);
  const Output dv(device_, p, a.dv, p.keys, p.key_heads, dtype, a.add_dkv);
  const Statistics lse(device_, p, a.lse, true);
  lse.fill(queue, p);
  // cuDNN computes delta from o, which is not here.
  const DeviceMemory output(device_, static_cast<std::size_t>(p.query_elements() * size_of(dtype)));
  const Bshd o = compact_bshd(output.data(), dtype, p.queries, p.query_heads, p.head_dim);
  cuda::launch<cuda::OutputOfDelta>(queue, cuda::row_blocks(p.rows()),
                                    cuda::OutputOfDeltaParams{p, a.d_o, a.delta, o});

  Operation operation = operation_of(p, a.q, a.k, a.v, true);
  operation.o = strides_of(o, p, p.queries, p.query_heads);
  operation.lse = strides_of(lse.view(), p);
  operation.d_o = strides_of(a.d_o, p, p.queries, p.query_heads);
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
