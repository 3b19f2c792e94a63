// SPDX-License-Identifier: Apache-2.0
// LVX_CPU_TARGET is read once per process, so each value is tested in a separate process.
#include "device/cpu/instruction_set.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "device/attention_contract.h"

namespace lvx::testing {
namespace {

// Opens a device with LVX_CPU_TARGET set to the given value, computes, and reports the instruction set in use.
[[noreturn]] void compute_with(const std::string& target) {
  setenv("LVX_CPU_TARGET", target.c_str(), 1);
  try {
    const auto device = device_with(2);
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      Case c(shape_of(1, 19, 67, 4, 2, 40), dtype, 7, {});
      expect_matches(*device, c, bounds_of(dtype), target);
    }
    std::fprintf(stderr, "<%s>", device->name().c_str());
  } catch (const Error& error) {
    std::fprintf(stderr, "<%s>", error.what());
  }
  std::exit(::testing::Test::HasFailure() ? 1 : 0);
}

void expect_answer(const std::string& target, const std::string& answer) {
  EXPECT_EXIT(compute_with(target), ::testing::ExitedWithCode(0), answer);
}

// The instruction sets of this machine, as listed by the error for an unknown one.
std::vector<std::string> sets_here() {
  const std::string best = instruction_set();
#ifdef HWY_COMPILE_ONLY_STATIC  // as sanitizers have it
  if (best == "avx512-bf16") return {best, "avx512"};
  return {best};
#endif
  std::vector<std::string> sets;
  for (const char* name : {"avx512-bf16", "avx512", "avx2", "sse4", "sve2", "sve", "neon", "portable"}) {
    if (name == best || !sets.empty()) sets.emplace_back(name);
  }
#if defined(__x86_64__)
  std::erase_if(sets,
                [](const std::string& name) { return name == "sve2" || name == "sve" || name == "neon"; });
#endif
  return sets;
}

class InstructionSetTest : public ::testing::Test {
 protected:
  InstructionSetTest() { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(InstructionSetTest, IsTheOneThatTheEnvironmentNames) {
  const std::vector<std::string> sets = sets_here();
#ifndef HWY_COMPILE_ONLY_STATIC
  EXPECT_GE(sets.size(), 2u);
#endif
  for (const std::string& set : sets) expect_answer(set, "<CPU " + set + ">");
}

TEST_F(InstructionSetTest, IsTheBestWhereNothingIsNamed) {
  expect_answer("", "<CPU " + instruction_set() + ">");
}

TEST_F(InstructionSetTest, IsRefusedByNameWhereItIsUnknown) {
  expect_answer("avx1024",
                "<.*LVX_CPU_TARGET is 'avx1024', which is no instruction set known here; expected one of .*" +
                    instruction_set() + ".*" + sets_here().back() + ">");
}

}  // namespace
}  // namespace lvx::testing
