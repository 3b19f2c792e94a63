// SPDX-License-Identifier: Apache-2.0
// Attention by cuDNN behind what a device does: partial results merged into others, and gradients from the final
// statistics of all keys for a part of them.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <utility>

#include "device/cuda/cudnn/plan.h"
#include "device/cuda/launch/kernels.h"
#include "device/device.h"

namespace lvx::cudnn {

class Engine {
 public:
  // Memory comes from the device, by its pool. Throws Error(LVX_MISSING_LIBRARY).
  explicit Engine(Device& device) : api_(loaded_api()), device_(device) {}
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  std::string version() const { return api_.version_text(); }

  // For problems that have rows and keys and that why_not has no word against. The GPU is the thread's current one. The
  // first call with new sizes or strides plans. Throws Error(LVX_UNSUPPORTED) where cuDNN has no plan.
  void forward(const cuda::Queue& queue, const ForwardArguments& arguments);
  void backward(const cuda::Queue& queue, const BackwardArguments& arguments);

  // Plans now kept.
  std::size_t plans() const { return plans_.size(); }

 private:
  const Plan& plan_for(const Operation& operation);
  void execute(const cuda::Queue& queue, const Operation& operation, const Pointers& pointers);

  const Api& api_;
  Device& device_;
  Handle handle_ = nullptr;
  // The plan last used is the first; the last goes when there are too many.
  std::list<std::pair<Operation, Plan>> plans_;
  std::map<Operation, decltype(plans_)::iterator> found_;
};

}  // namespace lvx::cudnn
