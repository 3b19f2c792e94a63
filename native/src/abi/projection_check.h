// SPDX-License-Identifier: Apache-2.0
// A projection of visual features, its tensors and their gradients, checked before anything is touched.
#pragma once

#include <vector>

#include "abi/tensor_check.h"
#include "recompute/projection.h"

namespace lvx {

struct CheckedProjection {
  Projection projection;
  std::vector<CheckedTensor> tensors;
};

struct CheckedProjectionGradients {
  ProjectionGradients gradients;
  std::vector<CheckedTensor> tensors;
};

inline std::vector<const CheckedTensor*> pointers_to(const std::vector<CheckedTensor>& tensors) {
  std::vector<const CheckedTensor*> pointers;
  pointers.reserve(tensors.size());
  for (const CheckedTensor& tensor : tensors) pointers.push_back(&tensor);
  return pointers;
}

// All throw Error(LVX_INVALID_ARGUMENT).
// [batch, rows, width], floating-point.
CheckedTensor check_features(const lvx_tensor* features, const DeviceId& device_id);
// Parameters may have the dtype of the features or of its accumulator.
CheckedProjection check_projection(const lvx_projection* projection, const CheckedTensor& features,
                                   const DeviceId& device_id);
// Of what turns raw keys into keys alone.
CheckedProjection check_key_finish(const lvx_projection* projection, const CheckedTensor& raw_k,
                                   const DeviceId& device_id);
// null: none is wanted.
CheckedProjectionGradients check_projection_gradients(const lvx_projection_gradients* gradients,
                                                      const CheckedProjection& projection, DType dtype,
                                                      const DeviceId& device_id);
// Of the shape of features, in the accumulator's dtype.
CheckedTensor check_feature_gradient(const lvx_tensor* d_features, const CheckedTensor& features,
                                     const DeviceId& device_id);

}  // namespace lvx
