// SPDX-License-Identifier: Apache-2.0
// Problems: the attention of one block of queries to one run of keys, as a device computes it.
#pragma once

#include "attention/views.h"

namespace lvx {

// A partial result (o, lse) of one block of queries; o normalised. The identity is (0, -inf).
//
// Adding a large bias would round off logits and lse. With bias_max, lse is relative to it: it is the lse of the logits
// with bias - bias_max in place of bias. bias_max is the largest bias of the keys that the row has seen so far, -inf
// for none. Without bias_max, lse is absolute.
struct Partial {
  Bshd o;
  Bhs lse;
  Bhs bias_max = {};  // in the accumulator's dtype; data null: none
};

struct ForwardProblem {
  ProblemShape shape;
  Bshd q, k, v;
  Visibility visibility;
  Bias bias;
  // o has q's dtype or its accumulator's, lse the accumulator's. Has bias_max if there is a bias.
  Partial out;
  bool merge = false;  // merge into the partial result that out holds, instead of overwriting it
};

struct BackwardProblem {
  ProblemShape shape;
  Bshd q, k, v, d_o;
  Bhs lse, delta;  // lse: final, may span more keys than these; delta = rowsum(d_o * o)
  Visibility visibility;
  Bias bias;
  // Accumulated, in the accumulator's dtype, if add_* is set; otherwise overwritten.
  Bshd dq, dk, dv;
  Bias d_bias;  // optional; always accumulated, and summed over broadcast dimensions (stride 0)
  bool add_dq = false;
  bool add_dkv = false;
  Bhs bias_max = {};  // lse is relative to it, as in Partial; data null: lse is absolute
};

}  // namespace lvx
