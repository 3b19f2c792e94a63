// SPDX-License-Identifier: Apache-2.0
// The tensors of attention checked against each other, before anything is touched.
#pragma once

#include "abi/tensor_check.h"
#include "schedule/attention_call.h"

namespace lvx {

struct ForwardTensors {
  const lvx_tensor *q, *k, *v, *visibility, *bias, *o, *lse;
};

struct BackwardTensors {
  const lvx_tensor *q, *k, *v, *visibility, *bias, *o, *lse, *d_o, *dq, *dk, *dv, *dbias;
};

// All throw Error(LVX_INVALID_ARGUMENT). The strategy is left to the caller.
void require_finite_scale(double scale, const char* name);
AttentionForward check_forward(const ForwardTensors& tensors, double scale, const Place& place);
AttentionBackward check_backward(const BackwardTensors& tensors, double scale, const Place& place);

struct MergeArguments {
  Problem problem;
  Partial part, into;
};
MergeArguments check_merge(const lvx_tensor* o_part, const lvx_tensor* lse_part, const lvx_tensor* o,
                           const lvx_tensor* lse, const Place& place);

struct DeltaArguments {
  Problem problem;
  Bshd o, d_o;
  Bhs delta;
};
DeltaArguments check_delta(const lvx_tensor* o, const lvx_tensor* d_o, const lvx_tensor* delta,
                           const Place& place);

}  // namespace lvx
