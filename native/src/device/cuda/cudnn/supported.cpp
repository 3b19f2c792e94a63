// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cudnn/supported.h"

namespace lvx::cudnn {

std::string why_not(const AttentionRequest& request, int compute_major) {
  if (size_of(request.dtype) != 2) {
    return std::string("cuDNN's attention takes bfloat16 and float16, got ") + name_of(request.dtype);
  }
  if (request.visibility) return "cuDNN's attention takes no visibility ranges";
  if (request.bias) return "cuDNN's attention takes no bias here";
  if (!request.aligned) {
    return "cuDNN's attention takes tensors whose rows begin at multiples of 16 bytes";
  }
  if (!request.backward) return {};
  // What cuDNN 9.24 reports for CUDNN_BACKEND_OPERATION_SDPA_BWD_DESCRIPTOR when planning.
  if (compute_major != 10) {
    return "cuDNN's backward operation runs on GPUs of compute capability 10.x, this one has " +
           std::to_string(compute_major) + ".x";
  }
  if (request.head_dim > 128) {
    return "cuDNN's backward operation takes a headDim up to 128, got " + std::to_string(request.head_dim);
  }
  return {};
}

}  // namespace lvx::cudnn
