// SPDX-License-Identifier: Apache-2.0
// Attention by cuDNN with the semantics of Device: merges partial results, and computes the gradients for some keys from the
// final statistics over all keys.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <utility>

#include "device/cuda/cudnn/plan.h"
#include "device/cuda/launch/kernels.h"
#include "device/device_memory.h"
#include "device/problem.h"

namespace lvx::cudnn {

class SdpaBackend {
 public:
  // Temporaries come from the device's memory pool. Throws Error(LVX_MISSING_LIBRARY).
  explicit SdpaBackend(MemoryOperations& device) : api_(loaded_api()), device_(device) {}
  ~SdpaBackend();
  SdpaBackend(const SdpaBackend&) = delete;
  SdpaBackend& operator=(const SdpaBackend&) = delete;

  std::string version() const { return api_.version_text(); }

  // For problems that have rows and keys and for which why_not is empty. Uses the thread's current GPU. The first call with
  // new sizes or strides builds a plan. Throws Error(LVX_UNSUPPORTED) if cuDNN has none.
  void forward(const cuda::Queue& queue, const ForwardProblem& problem);
  void backward(const cuda::Queue& queue, const BackwardProblem& problem);

  // The number of cached plans.
  std::size_t plans() const { return plans_.size(); }

 private:
  const Plan& plan_for(const Operation& operation);
  void execute(const cuda::Queue& queue, const Operation& operation, const Pointers& pointers);

  const Api& api_;
  MemoryOperations& device_;
  Handle handle_ = nullptr;
  // Most recently used first; the last plan is evicted first.
  std::list<std::pair<Operation, Plan>> plans_;
  std::map<Operation, decltype(plans_)::iterator> found_;
};

}  // namespace lvx::cudnn
