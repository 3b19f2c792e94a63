// SPDX-License-Identifier: Apache-2.0
// The oracle: textbook attention in float64, one thread, no blocking, no cleverness.
#pragma once

#include "attention/views.h"

namespace lvx {

struct ReferenceForward {
  Problem problem;
  Bshd q, k, v;
  Visibility visibility;
  Bias bias;
  Bshd o;
  Bhs lse;
  LseTerms lse_terms = {};  // none: not wanted
};

struct ReferenceBackward {
  Problem problem;
  Bshd q, k, v, o, d_o;
  Bhs lse;
  Visibility visibility;
  Bias bias;
  Bshd dq, dk, dv;
  Bias d_bias;              // none: not wanted
  LseTerms lse_terms = {};  // read in lse's place; none: lse is that of these keys, or of a larger problem
};

void reference_forward(const ReferenceForward& arguments);
void reference_backward(const ReferenceBackward& arguments);

}  // namespace lvx
