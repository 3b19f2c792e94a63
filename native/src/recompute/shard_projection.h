// SPDX-License-Identifier: Apache-2.0
// Projects keys and values of a whole shard of features into the caller's memory, forward and backward.
#pragma once

#include "device/device.h"
#include "recompute/projection.h"

namespace lvx {

// Computes raw keys and values.
void project_forward(Device& device, const Projection& projection, const Rows& features, const Bshd& raw_k,
                     const Bshd& v);

// Accumulates the gradients of the parameters, and of the features if d_features is present. raw_k is read only if there is a
// key norm.
void project_backward(Device& device, const Projection& projection, const Rows& features, const Bshd& raw_k,
                      const Bshd& dk, const Bshd& dv, const Rows& d_features,
                      const ProjectionGradients& gradients);

}  // namespace lvx
