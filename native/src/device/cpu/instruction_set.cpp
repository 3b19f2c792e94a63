// SPDX-License-Identifier: Apache-2.0
#define HWY_DISABLED_TARGETS HWY_SSSE3  // as the kernels
#include "device/cpu/instruction_set.h"

#include <hwy/targets.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "device/cpu/operand.h"

namespace lvx {
namespace {

struct InstructionSet {
  std::string_view name;
  std::int64_t targets;  // Highway's; 0: those of the next set, plus the instructions for pairs of bfloat16
};

// Best first.
constexpr std::array kSets = {
#if HWY_ARCH_X86
    InstructionSet{"avx512-bf16", 0},
    InstructionSet{"avx512", HWY_AVX3_DL | HWY_AVX3},
    InstructionSet{"avx2", HWY_AVX2},
    InstructionSet{"sse4", HWY_SSE4},
#elif HWY_ARCH_ARM_A64
    InstructionSet{"sve2", HWY_SVE2_128 | HWY_SVE2},
    InstructionSet{"sve", HWY_SVE_256 | HWY_SVE},
    InstructionSet{"neon", HWY_NEON},
#endif
    InstructionSet{"portable", HWY_EMU128 | HWY_SCALAR},
};
constexpr std::string_view kWithPairs = "avx512-bf16";

std::int64_t generated_targets() { return hwy::SupportedTargets() & HWY_TARGETS; }

bool has(const InstructionSet& set) {
  if (set.name == kWithPairs) return multiplies_pairs();
  return (generated_targets() & set.targets) != 0;
}

std::string names_of_sets_here() {
  std::string names;
  for (const InstructionSet& set : kSets) {
    if (has(set)) names += (names.empty() ? "" : ", ") + std::string(set.name);
  }
  return names;
}

// Written once, before any kernel runs.
bool allow_pairs = true;

// Why LVX_CPU_TARGET cannot be applied; empty if it can.
std::string apply(std::string_view wanted) {
  if (wanted.empty()) return {};
  const auto set = std::find_if(kSets.begin(), kSets.end(),
                                [&](const InstructionSet& candidate) { return candidate.name == wanted; });
  if (set == kSets.end() || !has(*set)) {
    return "environment variable LVX_CPU_TARGET is '" + std::string(wanted) + "', " +
           (set == kSets.end() ? "which is no instruction set known here"
                               : "which this processor does not have") +
           "; expected one of " + names_of_sets_here();
  }
  std::int64_t better = 0;
  for (auto above = kSets.begin(); above != set; ++above) better |= above->targets;
  hwy::DisableTargets(better);
  allow_pairs = wanted == kWithPairs;
  return {};
}

}  // namespace

void choose_instruction_set() {
  static const std::string refusal = [] {
    const char* const wanted =
        std::getenv("LVX_CPU_TARGET");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return apply(wanted == nullptr ? std::string_view{} : std::string_view(wanted));
  }();
  if (!refusal.empty()) throw Error(LVX_INVALID_ARGUMENT, refusal);
}

std::string instruction_set() {
  if (multiplies_pairs()) return std::string(kWithPairs);
  const std::int64_t targets = generated_targets();
  // The lowest bit is the best target, which dynamic dispatch selects.
  const std::int64_t best = targets & -targets;
  const auto set = std::find_if(kSets.begin(), kSets.end(), [&](const InstructionSet& candidate) {
    return (candidate.targets & best) != 0;
  });
  return std::string(set == kSets.end() ? hwy::TargetName(best) : set->name);
}

bool pairs_allowed() { return allow_pairs; }

}  // namespace lvx
