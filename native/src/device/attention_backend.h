// SPDX-License-Identifier: Apache-2.0
// The choice of an attention backend, on devices that have several.
#pragma once

#include <lvx/lvx.h>

#include <cstdint>
#include <string>

#include "attention/alignment.h"

namespace lvx {

// The properties of a call, or of one block, that decide whether a backend supports it.
struct AttentionRequest {
  bool backward = false;
  DType dtype = DType::kFloat32;
  std::int64_t head_dim = 0;
  bool visibility = false;
  bool bias = false;
  bool aligned = true;  // all rows of q, k, v (and d_o) are aligned to 16 bytes
};

// The request that a problem or a call makes.
template <typename Forward>
AttentionRequest forward_request(const Forward& a) {
  AttentionRequest request;
  request.dtype = a.q.dtype;
  request.head_dim = a.shape.head_dim;
  request.visibility = !a.visibility.everything();
  request.bias = !a.bias.none();
  request.aligned = rows_aligned(a.q, 16) && rows_aligned(a.k, 16) && rows_aligned(a.v, 16);
  return request;
}
template <typename Backward>
AttentionRequest backward_request(const Backward& a) {
  AttentionRequest request = forward_request(a);
  request.backward = true;
  request.aligned = request.aligned && rows_aligned(a.d_o, 16);
  return request;
}

// The choice that LVX_ATTENTION_BACKEND_AUTO made for one problem, and the reason.
struct AttentionBackendChoice {
  bool backward = false;
  DType dtype = DType::kFloat32;
  ProblemShape shape;
  lvx_attention_backend attention_backend = LVX_ATTENTION_BACKEND_LVX;
  double lvx_seconds = 0;  // 0: not measured
  double cudnn_seconds = 0;
  std::string reason;
};

}  // namespace lvx
