// SPDX-License-Identifier: Apache-2.0
// A planned operation, for which cuDNN has chosen and compiled a kernel.
#pragma once

#include "device/cuda/cudnn/operation.h"

namespace lvx::cudnn {

// The target GPU: the GPU of a handle or, to plan without a GPU, the GPU that a descriptor of device properties describes.
struct Target {
  Handle handle = nullptr;
  const BackendDescriptor* device = nullptr;
};

// Addresses of a call's tensors. Tensors that the operation does not have are null.
struct Pointers {
  void *q, *k, *v, *o, *lse;
  float* scale;  // in host memory
  void *d_o, *dq, *dk, *dv;
};

class Plan {
 public:
  // Takes up to a second, because kernels are compiled. Throws Error(LVX_UNSUPPORTED) with cuDNN's message if cuDNN has no
  // plan.
  Plan(const Api& api, const Target& target, const Operation& operation);

  std::size_t workspace_bytes() const { return workspace_bytes_; }
  // Executes on the handle's stream. The pointers are aligned to 16 bytes; their tensors have the operation's strides.
  void execute(Handle handle, const Pointers& pointers, void* workspace) const;

 private:
  const Api* api_;
  std::vector<BackendDescriptor> described_;  // the operation and its tensors, which must outlive the plan
  BackendDescriptor plan_;
  std::size_t workspace_bytes_;
};

}  // namespace lvx::cudnn
