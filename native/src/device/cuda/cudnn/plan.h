// SPDX-License-Identifier: Apache-2.0
// An operation, planned: cuDNN has chosen and compiled a kernel for it.
#pragma once

#include "device/cuda/cudnn/operation.h"

namespace lvx::cudnn {

// For which GPU: that of a handle; or, to plan without one, that which a descriptor of device properties describes.
struct Target {
  Handle handle = nullptr;
  const BackendDescriptor* device = nullptr;
};

// Where the tensors of a call are. What the operation does not have is null.
struct Pointers {
  void *q, *k, *v, *o, *lse;
  float* scale;  // of the host
  void *d_o, *dq, *dk, *dv;
};

class Plan {
 public:
  // Takes up to a second: kernels are compiled. Throws Error(LVX_UNSUPPORTED) with what cuDNN says where it has none.
  Plan(const Api& api, const Target& target, const Operation& operation);

  std::size_t workspace_bytes() const { return workspace_bytes_; }
  // On the stream of the handle. The pointers are those of tensors with the operation's strides, aligned to 16 bytes.
  void execute(Handle handle, const Pointers& pointers, void* workspace) const;

 private:
  const Api* api_;
  std::vector<BackendDescriptor> described_;  // what the plan is about, kept as long as it
  BackendDescriptor plan_;
  std::size_t workspace_bytes_;
};

}  // namespace lvx::cudnn
