// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/dtype.h"

namespace lvx::cuda {

// Calls compute(T{}), where T is the compute type of dtype.
template <typename Compute>
void in_accumulator(DType dtype, const Compute& compute) {
  if (dtype == DType::kFloat64) {
    compute(double{});
  } else {
    compute(float{});
  }
}

}  // namespace lvx::cuda
