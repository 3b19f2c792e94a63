// SPDX-License-Identifier: Apache-2.0
// One rank's arguments of a distributed attention call, already checked.
#pragma once

#include "attention/views.h"
#include "group/group.h"

namespace lvx {

struct AttentionForward {
  Problem problem;  // this rank's queries and keys; first_key is found out by the schedule
  Bshd q, k, v;
  Visibility visibility;
  Bias bias;  // rows: the group's queries; keys: this rank's
  std::int64_t bias_rows = 1;
  Bshd o;
  Bhs lse;
  lvx_strategy strategy = LVX_QUERY_RING;
};

struct AttentionBackward {
  Problem problem;
  Bshd q, k, v, o, d_o;
  Bhs lse;
  Visibility visibility;
  Bias bias;
  std::int64_t bias_rows = 1;
  Bshd dq, dk, dv;
  Bias d_bias;  // none: not wanted; else shaped and strided as an output
  std::int64_t d_bias_batch = 1, d_bias_heads = 1;
  lvx_strategy strategy = LVX_QUERY_RING;
};

// Collective. statistics may be null.
void attention_forward(Group& group, const AttentionForward& arguments, lvx_statistics* statistics);
void attention_backward(Group& group, const AttentionBackward& arguments, lvx_statistics* statistics);

}  // namespace lvx
