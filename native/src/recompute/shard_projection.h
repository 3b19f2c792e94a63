// SPDX-License-Identifier: Apache-2.0
// Keys and values of a whole shard of features, into memory of the caller, and the way back.
#pragma once

#include "device/device.h"
#include "recompute/projection.h"

namespace lvx {

// Raw keys and values.
void project_forward(Device& device, const Projection& projection, const Rows& features, const Bshd& raw_k,
                     const Bshd& v);

// Adds the gradients of the parameters, and of the features if d_features is not none. raw_k is read where there is a
// key norm.
void project_backward(Device& device, const Projection& projection, const Rows& features, const Bshd& raw_k,
                      const Bshd& dk, const Bshd& dv, const Rows& d_features,
                      const ProjectionGradients& gradients);

}  // namespace lvx
