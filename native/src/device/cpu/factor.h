// SPDX-License-Identifier: Apache-2.0
// What the tiles of forward and backward hold, factors of products, and what the products are summed in. bfloat16 is
// multiplied in pairs, two neighbouring terms of a sum at a time, where the processor has instructions for it, and
// converted to float elsewhere.
#pragma once

#include <cstdint>
#include <type_traits>

#include "attention/half.h"
#include "base/dtype.h"
#include "base/error.h"

namespace lvx {

struct BFloat16Pair {
  BFloat16 first, second;
};

template <typename Factor>
constexpr bool kIsPair = std::is_same_v<std::remove_const_t<Factor>, BFloat16Pair>;

// Terms of a sum in one factor.
template <typename Factor>
constexpr int kTerms = kIsPair<Factor> ? 2 : 1;

template <typename Factor>
using SumOf = std::conditional_t<kIsPair<Factor>, float, Factor>;

// Whether this processor multiplies pairs, as far as the instruction set that was chosen allows it.
bool multiplies_pairs();

// Calls visit(Factor()) for what tensors of that dtype are multiplied as.
template <typename Visit>
auto visit_factor(DType dtype, const Visit& visit) {
  if (dtype == DType::kFloat64) return visit(double{});
  if (dtype == DType::kBFloat16 && multiplies_pairs()) return visit(BFloat16Pair{});
  return visit(float{});
}

// What kernels do that cannot.
[[noreturn]] inline void refuse_pairs() {
  throw Error(LVX_INTERNAL, "pairs of bfloat16 were given to an instruction set that cannot multiply them");
}

}  // namespace lvx
