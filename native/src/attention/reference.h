// SPDX-License-Identifier: Apache-2.0
// The oracle: textbook attention in float64, single-threaded, without blocking or optimisation.
#pragma once

#include "attention/views.h"

namespace lvx {

struct ReferenceForward {
  ProblemShape shape;
  Bshd q, k, v;
  Visibility visibility;
  Bias bias;
  Bshd o;
  Bhs lse;
  LseTerms lse_terms = {};  // optional output
};

struct ReferenceBackward {
  ProblemShape shape;
  Bshd q, k, v, o, d_o;
  Bhs lse;
  Visibility visibility;
  Bias bias;
  Bshd dq, dk, dv;
  Bias d_bias;              // optional output
  LseTerms lse_terms = {};  // if present, read instead of lse; lse spans these keys, or more
};

void reference_forward(const ReferenceForward& arguments);
void reference_backward(const ReferenceBackward& arguments);

}  // namespace lvx
