// SPDX-License-Identifier: Apache-2.0
// What a device computes attention of: one block of queries against one run of keys.
#pragma once

#include "attention/views.h"

namespace lvx {

// A partial result (o, lse) of one block of queries; o normalised. The identity is (0, -inf).
//
// Adding a large bias would round off logits and lse. With bias_max, lse is relative to it: the lse of the logits
// with bias - bias_max instead of bias. bias_max is the largest bias of the keys that the row has seen so far, -inf
// for none. Without it lse is the whole.
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
  // o in q's dtype or its accumulator's, lse in the accumulator's; bias_max where there is a bias.
  Partial out;
  bool merge = false;  // merge into what out holds (by lse and bias_max) rather than overwrite it
};

struct BackwardProblem {
  ProblemShape shape;
  Bshd q, k, v, d_o;
  Bhs lse, delta;  // the final lse, which may span more keys than these; delta = rowsum(d_o * o)
  Visibility visibility;
  Bias bias;
  // Gradients are added where add_* is set, and then kept in the accumulator's dtype; overwritten where not.
  Bshd dq, dk, dv;
  Bias d_bias;  // none: not wanted; always added to, summed over broadcast dimensions (stride 0)
  bool add_dq = false;
  bool add_dkv = false;
  Bhs bias_max = {};  // what lse counts from, as in Partial; data null: lse is the whole
};

}  // namespace lvx
