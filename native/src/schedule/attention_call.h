// SPDX-License-Identifier: Apache-2.0
// One rank's call of distributed attention: its arguments, already checked.
#pragma once

#include "attention/views.h"
#include "group/group.h"

namespace lvx {

struct ForwardCall {
  ProblemShape shape;  // this rank's queries and keys; the schedule sets first_key
  Bshd q, k, v;
  Visibility visibility;
  Bias bias;  // rows: the group's queries; keys: this rank's
  Bshd o;
  Bhs lse;
  LseTerms lse_terms;  // optional; backward needs them if there is a bias
  lvx_strategy strategy = LVX_QUERY_RING;
};

struct BackwardCall {
  ProblemShape shape;
  Bshd q, k, v, o, d_o;
  Bhs lse;
  LseTerms lse_terms;  // with a bias, read instead of lse; absent: lse is exact enough
  Visibility visibility;
  Bias bias;
  Bshd dq, dk, dv;
  Bias d_bias;  // optional; has the extents of bias
  lvx_strategy strategy = LVX_QUERY_RING;
};

// The announcement of a call.
Announcement announce(Operation operation, const ForwardCall& call);
Announcement announce(Operation operation, const BackwardCall& call);

// Collective calls. statistics may be null.
void attention_forward(Group& group, const ForwardCall& call, lvx_statistics* statistics);
void attention_backward(Group& group, const BackwardCall& call, lvx_statistics* statistics);

}  // namespace lvx
