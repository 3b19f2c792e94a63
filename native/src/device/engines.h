// SPDX-License-Identifier: Apache-2.0
// Which kernels compute attention, on devices that have more than their own.
#pragma once

#include <lvx/lvx.h>

#include <cstdint>
#include <string>

#include "attention/alignment.h"

namespace lvx {

// What an engine may refuse, of a call or of one block of it.
struct AttentionRequest {
  bool backward = false;
  DType dtype = DType::kFloat32;
  std::int64_t head_dim = 0;
  bool visibility = false;
  bool bias = false;
  bool aligned = true;  // all rows of q, k, v (and d_o) begin at multiples of 16 bytes
};

// Of ForwardArguments or AttentionForward; the second is for backward.
template <typename Arguments>
AttentionRequest forward_request(const Arguments& a) {
  AttentionRequest request;
  request.dtype = a.q.dtype;
  request.head_dim = a.problem.head_dim;
  request.visibility = !a.visibility.everything();
  request.bias = !a.bias.none();
  request.aligned = queries_aligned(a.problem, a.q, 16) && keys_aligned(a.problem, a.k, 16) &&
                    keys_aligned(a.problem, a.v, 16);
  return request;
}
template <typename Arguments>
AttentionRequest backward_request(const Arguments& a) {
  AttentionRequest request = forward_request(a);
  request.backward = true;
  request.aligned = request.aligned && queries_aligned(a.problem, a.d_o, 16);
  return request;
}

// What LVX_ENGINE_AUTO has chosen for one problem, and why.
struct EngineChoice {
  bool backward = false;
  DType dtype = DType::kFloat32;
  Problem problem;
  lvx_engine engine = LVX_ENGINE_LVX;
  double lvx_seconds = 0;  // 0: not measured
  double cudnn_seconds = 0;
  std::string reason;
};

}  // namespace lvx
