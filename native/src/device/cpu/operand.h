// SPDX-License-Identifier: Apache-2.0
// Operands, the element types of the tiles that products read, and accumulators, the types in which products are summed. If
// the processor has bfloat16 dot products (twice the rate of float32 with AVX512-BF16), bfloat16 is multiplied in pairs: two
// adjacent terms of a sum at a time. Otherwise it is converted to float.
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

template <typename Operand>
constexpr bool kIsPair = std::is_same_v<std::remove_const_t<Operand>, BFloat16Pair>;

// The number of a sum's terms in one operand.
template <typename Operand>
constexpr int kTerms = kIsPair<Operand> ? 2 : 1;

template <typename Operand>
using Accumulator = std::conditional_t<kIsPair<Operand>, float, Operand>;

// Whether kernels multiply pairs: the processor has the instructions and LVX_CPU_TARGET allows them.
bool multiplies_pairs();

// Calls visit(Operand()), where Operand is the operand type for tensors of that dtype.
template <typename Visit>
auto visit_operand(DType dtype, const Visit& visit) {
  if (dtype == DType::kFloat64) return visit(double{});
  if (dtype == DType::kBFloat16 && multiplies_pairs()) return visit(BFloat16Pair{});
  return visit(float{});
}

// The same for kernels of instruction sets without pairs.
[[noreturn]] inline void refuse_pairs() {
  throw Error(LVX_INTERNAL, "pairs of bfloat16 were given to an instruction set that cannot multiply them");
}

}  // namespace lvx
