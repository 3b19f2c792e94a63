// SPDX-License-Identifier: Apache-2.0
// Which attention backend computes, on devices that have several.
#pragma once

#include <lvx/lvx.h>

#include <cstdint>
#include <string>

#include "attention/alignment.h"

namespace lvx {

// What a backend may refuse, of a call or of one block of it.
struct AttentionRequest {
  bool backward = false;
  DType dtype = DType::kFloat32;
  std::int64_t head_dim = 0;
  bool visibility = false;
  bool bias = false;
  bool aligned = true;  // all rows of q, k, v (and d_o) begin at multiples of 16 bytes
};

// Of a problem or a call.
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

// What LVX_ATTENTION_BACKEND_AUTO has chosen for one problem, and why.
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
