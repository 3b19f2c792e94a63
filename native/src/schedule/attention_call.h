// SPDX-License-Identifier: Apache-2.0
// One rank's arguments of a distributed attention call, already checked.
#pragma once

#include "attention/views.h"
#include "group/group.h"

namespace lvx {

// What bias is not broadcast along; 1 where it is.
struct BiasExtents {
  std::int64_t batch = 1;
  std::int64_t heads = 1;
  std::int64_t rows = 1;
};

struct AttentionForward {
  Problem problem;  // this rank's queries and keys; first_key is found out by the schedule
  Bshd q, k, v;
  Visibility visibility;
  Bias bias;  // rows: the group's queries; keys: this rank's
  BiasExtents bias_extents;
  Bshd o;
  Bhs lse;
  LseTerms lse_terms;  // none: not wanted; backward needs them where there is a bias
  lvx_strategy strategy = LVX_QUERY_RING;
};

struct AttentionBackward {
  Problem problem;
  Bshd q, k, v, o, d_o;
  Bhs lse;
  LseTerms lse_terms;  // read in lse's place where there is a bias; none: lse is exact enough
  Visibility visibility;
  Bias bias;
  BiasExtents bias_extents;
  Bshd dq, dk, dv;
  Bias d_bias;  // none: not wanted; extents of bias
  lvx_strategy strategy = LVX_QUERY_RING;
};

// What a rank tells the others of its call.
Announcement announce(Operation operation, const AttentionForward& arguments);
Announcement announce(Operation operation, const AttentionBackward& arguments);

// Collective. statistics may be null.
void attention_forward(Group& group, const AttentionForward& arguments, lvx_statistics* statistics);
void attention_backward(Group& group, const AttentionBackward& arguments, lvx_statistics* statistics);

}  // namespace lvx
