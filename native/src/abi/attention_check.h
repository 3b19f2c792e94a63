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
  Bhs lse;  // the sum of into's terms, where it has them
};
MergeArguments check_merge(const lvx_tensor* o_part, const lvx_tensor* lse_part, const lvx_tensor* o,
                           const lvx_tensor* lse, const Place& place);

// For calls whose keys are no tensors of their own: the rest of forward and backward, piece by piece.
struct QueryTensors {
  const lvx_tensor *visibility, *bias, *o, *lse;
};
struct CheckedQueries {
  CheckedTensor q;
  OptionalTensor visibility, bias;
  CheckedTensor o, lse;
  Problem problem;
};
struct CheckedQueryGradients {
  CheckedTensor d_o, dq;
  OptionalTensor dbias;
};
CheckedTensor check_q(const lvx_tensor* q, const Place& place);
void require_head_groups(const CheckedTensor& q, std::int64_t key_heads, const char* name);
CheckedQueries check_queries(const CheckedTensor& q, const QueryTensors& tensors, std::int64_t keys,
                             std::int64_t key_heads, double scale, const Place& place);
CheckedQueryGradients check_query_gradients(const CheckedQueries& queries, const lvx_tensor* d_o,
                                            const lvx_tensor* dq, const lvx_tensor* dbias,
                                            const Place& place);
// Everything but the keys' own.
AttentionForward forward_of(const CheckedQueries& queries);
AttentionBackward backward_of(const CheckedQueries& queries, const CheckedQueryGradients& gradients);

struct DeltaArguments {
  Problem problem;
  Bshd o, d_o;
  Bhs delta;
};
DeltaArguments check_delta(const lvx_tensor* o, const lvx_tensor* d_o, const lvx_tensor* delta,
                           const Place& place);

}  // namespace lvx
