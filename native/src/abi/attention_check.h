// SPDX-License-Identifier: Apache-2.0
// Checks the tensors of an attention call against each other, before anything is touched.
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
ForwardCall check_forward(const ForwardTensors& tensors, double scale, const DeviceId& device_id);
BackwardCall check_backward(const BackwardTensors& tensors, double scale, const DeviceId& device_id);

struct CheckedMerge {
  Partial part, into;
  Bhs lse;  // the sum of into's terms, where it has them
};
CheckedMerge check_merge(const lvx_tensor* o_part, const lvx_tensor* lse_part, const lvx_tensor* o,
                         const lvx_tensor* lse, const DeviceId& device_id);

// For calls whose keys are not given as tensors: the other checks of forward and backward, one by one.
struct QueryTensors {
  const lvx_tensor *visibility, *bias, *o, *lse;
};
struct CheckedQueries {
  CheckedTensor q;
  OptionalTensor visibility, bias;
  CheckedTensor o, lse;
  ProblemShape shape;
};
struct CheckedQueryGradients {
  CheckedTensor d_o, dq;
  OptionalTensor dbias;
};
CheckedTensor check_q(const lvx_tensor* q, const DeviceId& device_id);
void require_head_groups(const CheckedTensor& q, std::int64_t key_heads, const char* name);
CheckedQueries check_queries(const CheckedTensor& q, const QueryTensors& tensors, std::int64_t keys,
                             std::int64_t key_heads, double scale, const DeviceId& device_id);
CheckedQueryGradients check_query_gradients(const CheckedQueries& queries, const lvx_tensor* d_o,
                                            const lvx_tensor* dq, const lvx_tensor* dbias,
                                            const DeviceId& device_id);
// Everything but the keys' own.
ForwardCall forward_of(const CheckedQueries& queries);
BackwardCall backward_of(const CheckedQueries& queries, const CheckedQueryGradients& gradients);

struct CheckedDelta {
  Bshd o, d_o;
  Bhs delta;
};
CheckedDelta check_delta(const lvx_tensor* o, const lvx_tensor* d_o, const lvx_tensor* delta,
                         const DeviceId& device_id);

}  // namespace lvx
