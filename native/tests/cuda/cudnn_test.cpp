// SPDX-License-Identifier: Apache-2.0
// Attention by cuDNN, using the stand-in: partial results, gradients from final statistics, plans, the choice between
// attention backends, and errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "cuda/cudnn_device.h"
#include "device/attention_case.h"
#include "device/cuda/collective/row_blocks.h"
#include "device/cuda/cudnn/supported.h"
#include "device/problems.h"
#include "support/seed.h"

namespace lvx::testing {
namespace {

using ::testing::HasSubstr;

constexpr Padding kAligned = {8, 16};  // rows are still aligned to 16 bytes

class Cudnn : public ::testing::TestWithParam<DType> {
 protected:
  void TearDown() override { EXPECT_EQ(cudnn_live(), 0); }
};
INSTANTIATE_TEST_SUITE_P(StandIn, Cudnn, ::testing::Values(DType::kBFloat16, DType::kFloat16),
                         [](const auto& parameter) { return name_of(parameter.param); });

template <typename Call>
Error error_of_call(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "expected an error";
  return {LVX_OK, ""};
}

TEST_P(Cudnn, MatchesTheOracleInAnyShape) {
  CudnnDevice device(LVX_ATTENTION_BACKEND_CUDNN);
  unsigned seed = 0;
  for (const std::int64_t dim : {8, 72, 128}) {
    for (const auto& [queries, keys] : {std::pair{1, 1}, {7, 63}, {33, 40}}) {
      for (const std::int64_t group : {1, 3}) {
        ++seed;
        Case c(shape_of(2, queries, keys, 2 * group, 2, dim), GetParam(), seed,
               seed % 2 == 0 ? kAligned : Padding{});
        expect_matches(
            device, c, bounds_of(GetParam()),
            "D=" + std::to_string(dim) + " " + std::to_string(queries) + "x" + std::to_string(keys));
      }
    }
  }
  EXPECT_EQ(device.take_attention_backends_used(), 1U << LVX_ATTENTION_BACKEND_CUDNN);
  EXPECT_EQ(device.take_attention_backends_used(), 0U);
}

// As in a ring: partial results over parts of the keys are merged in float32; the gradients of each part use the final lse.
TEST_P(Cudnn, PartsOfKeysMakeTheWhole) {
  CudnnDevice device(LVX_ATTENTION_BACKEND_CUDNN);
  Case c(shape_of(2, 19, 70, 6, 2, 40), GetParam(), 5, kAligned);
  Forward expected = oracle_forward(c);
  Backward expected_gradients = oracle_backward(c, expected);
  const ProblemShape& whole = c.shape;
  Forward sum = empty_forward(whole, DType::kFloat32, DType::kFloat32);
  sum.o.fill(0);
  sum.lse.fill(-kInfinity);
  Backward gradients = empty_backward(whole, DType::kFloat32, {});
  for (Array* x : {&gradients.dq, &gradients.dk, &gradients.dv}) x->fill(0);

  const auto parts = std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 13}, {13, 0}, {13, 50}, {63, 7}};
  const auto part_of = [&](std::int64_t first, std::int64_t keys) {
    ProblemShape p = whole;
    p.keys = keys;
    p.first_key = first;
    return p;
  };
  for (const auto& [first, keys] : parts) {
    const ProblemShape p = part_of(first, keys);
    const DeviceMemory scratch(device, device.forward_scratch(p, GetParam()));
    device.forward({p,
                    c.q.bshd(),
                    c.k.bshd().row_range(first, first + keys),
                    c.v.bshd().row_range(first, first + keys),
                    {},
                    {},
                    {sum.o.bshd(), sum.lse.bhs()},
                    true},
                   {scratch.data(), scratch.bytes()});
  }
  EXPECT_LE(error_of(sum.o, expected.o), bounds_of(GetParam()).o);
  EXPECT_LE(error_of(sum.lse, expected.lse), bounds_of(GetParam()).lse);

  device.delta(sum.o.bshd(), c.d_o.bshd(), gradients.delta.bhs());
  for (const auto& [first, keys] : parts) {
    const ProblemShape p = part_of(first, keys);
    const DeviceMemory scratch(device, device.backward_scratch(p, GetParam()));
    device.backward({p,
                     c.q.bshd(),
                     c.k.bshd().row_range(first, first + keys),
                     c.v.bshd().row_range(first, first + keys),
                     c.d_o.bshd(),
                     sum.lse.bhs(),
                     gradients.delta.bhs(),
                     {},
                     {},
                     gradients.dq.bshd(),
                     gradients.dk.bshd().row_range(first, first + keys),
                     gradients.dv.bshd().row_range(first, first + keys),
                     {},
                     true,
                     true},
                    {scratch.data(), scratch.bytes()});
  }
  EXPECT_LE(error_of(gradients.dq, expected_gradients.dq), bounds_of(GetParam()).gradients);
  EXPECT_LE(error_of(gradients.dk, expected_gradients.dk), bounds_of(GetParam()).gradients);
  EXPECT_LE(error_of(gradients.dv, expected_gradients.dv), bounds_of(GetParam()).gradients);
}

// The substitute for o yields delta, for d_o of any magnitude.
TEST_P(Cudnn, TheOutputOfDeltaHasThatDelta) {
  const ProblemShape p = shape_of(2, 5, 1, 3, 1, 72);
  SimulatedDevice device;
  for (const double size : {1e-6, 1.0, 100.0}) {
    Array d_o({p.batch, p.queries, p.query_heads, p.head_dim}, GetParam());
    Array delta({p.batch, p.query_heads, p.queries}, DType::kFloat32);
    Array o({p.batch, p.queries, p.query_heads, p.head_dim}, GetParam());
    Array back({p.batch, p.query_heads, p.queries}, DType::kFloat32);
    std::mt19937 random(test::seeded(7));
    Case::randomize(d_o, random, size);
    Case::randomize(delta, random, size);
    for (std::int64_t i = 0; i < p.head_dim; ++i) d_o.set(i, 0);  // a row without a gradient
    Given given;
    given.tensor(d_o.bshd());
    given.tensor(o.bshd());
    given.rows(delta.bhs());
    cuda::launch<cuda::OutputOfDelta>({}, cuda::row_blocks(p.rows()),
                                      cuda::OutputOfDeltaParams{p, d_o.bshd(), delta.bhs(), o.bshd()});
    delta.set(0, 0);
    device.delta(o.bshd(), d_o.bshd(), back.bhs());
    EXPECT_LE(error_of(back, delta), GetParam() == DType::kBFloat16 ? 4e-3 : size < 1 ? 2e-2 : 5e-4) << size;
  }
}

TEST_P(Cudnn, PlansAreMadeOncePerProblem) {
  CudnnDevice device(LVX_ATTENTION_BACKEND_CUDNN);
  Case c(shape_of(1, 4, 9, 2, 1, 16), GetParam(), 1);
  Case longer(shape_of(1, 4, 10, 2, 1, 16), GetParam(), 1);
  const int before = cudnn_plans();
  for (int i = 0; i < 3; ++i) device_forward(device, c);
  EXPECT_EQ(cudnn_plans(), before + 1);
  device_forward(device, longer);
  EXPECT_EQ(cudnn_plans(), before + 2);
  Forward f = device_forward(device, c);
  device_backward(device, c, f);
  device_backward(device, c, f);
  EXPECT_EQ(cudnn_plans(), before + 3);
}

TEST_P(Cudnn, FewPlansAreKept) {
  CudnnDevice device(LVX_ATTENTION_BACKEND_CUDNN);
  const int live = cudnn_live();
  for (std::int64_t keys = 1; keys <= 128; ++keys) {
    Case c(shape_of(1, 1, keys, 1, 1, 8), GetParam(), 1);
    device_forward(device, c);
  }
  const int full = cudnn_live();
  for (std::int64_t keys = 129; keys <= 140; ++keys) {
    Case c(shape_of(1, 1, keys, 1, 1, 8), GetParam(), 1);
    device_forward(device, c);
  }
  EXPECT_GT(full, live);
  EXPECT_EQ(cudnn_live(), full);
}

TEST_P(Cudnn, AutoTakesTheFasterAndKeepsToIt) {
  for (const double ratio : {0.5, 2.0}) {
    const lvx_attention_backend faster = ratio < 1 ? LVX_ATTENTION_BACKEND_CUDNN : LVX_ATTENTION_BACKEND_LVX;
    const auto choices = std::make_shared<cudnn::Choices>();
    Case c(shape_of(1, 40, 9, 2, 2, 16), GetParam(), 1);
    {
      CudnnDevice device(LVX_ATTENTION_BACKEND_AUTO, ratio, 10, choices);
      expect_matches(device, c, bounds_of(GetParam()), "first use");
      EXPECT_EQ(device.take_attention_backends_used(), 1U << faster);
      const int measured = device.watch().measured();
      EXPECT_GT(measured, 0);
      expect_matches(device, c, bounds_of(GetParam()), "second use");
      EXPECT_EQ(device.watch().measured(), measured);
      ASSERT_EQ(device.attention_backend_choices().size(), 2U);
      for (const AttentionBackendChoice& choice : device.attention_backend_choices()) {
        EXPECT_EQ(choice.attention_backend, faster);
        EXPECT_EQ(choice.lvx_seconds, 1);
        EXPECT_EQ(choice.cudnn_seconds, ratio);
        EXPECT_EQ(choice.shape.keys, 9);
        EXPECT_EQ(choice.reason, "measured");
      }
    }
    // Another device of the same GPU, whose measurements would favour the other backend.
    CudnnDevice device(LVX_ATTENTION_BACKEND_AUTO, 1 / ratio, 10, choices);
    device_forward(device, c);
    EXPECT_EQ(device.watch().measured(), 0);
    EXPECT_EQ(device.take_attention_backends_used(), 1U << faster);
  }
}

TEST_P(Cudnn, AutoSaysWhatIsNotCudnns) {
  CudnnDevice device(LVX_ATTENTION_BACKEND_AUTO, 0.1, 9);
  Case decode(shape_of(1, 1, 9, 2, 1, 16), GetParam(), 1);
  device_forward(device, decode);
  Case masked(shape_of(1, 40, 9, 2, 1, 16), GetParam(), 2);
  masked.visibility = random_ranges(masked.shape, 1, 2);
  expect_matches(device, masked, bounds_of(GetParam()), "visibility");
  Case c(shape_of(1, 40, 9, 2, 1, 16), GetParam(), 3);
  expect_matches(device, c, bounds_of(GetParam()), "backward on another GPU");
  EXPECT_EQ(device.take_attention_backends_used(),
            1U << LVX_ATTENTION_BACKEND_LVX | 1U << LVX_ATTENTION_BACKEND_CUDNN);
  std::vector<std::string> reasons;
  for (const AttentionBackendChoice& choice : device.attention_backend_choices())
    reasons.push_back(choice.reason);
  EXPECT_THAT(reasons,
              ::testing::UnorderedElementsAre("measured", HasSubstr("few queries"), HasSubstr("visibility"),
                                              HasSubstr("visibility"), HasSubstr("9.x")));
}

TEST_P(Cudnn, AutoTakesOursWhereCudnnHasNoPlan) {
  CudnnDevice device(LVX_ATTENTION_BACKEND_AUTO, 0.1);
  const CudnnFault fault("no engine:0:0:0");
  Case c(shape_of(1, 40, 9, 2, 1, 16), GetParam(), 3);
  expect_matches(device, c, bounds_of(GetParam()), "ours");
  EXPECT_EQ(device.take_attention_backends_used(), 1U << LVX_ATTENTION_BACKEND_LVX);
  for (const AttentionBackendChoice& choice : device.attention_backend_choices()) {
    EXPECT_EQ(choice.attention_backend, LVX_ATTENTION_BACKEND_LVX);
    EXPECT_THAT(choice.reason, HasSubstr("cuDNN 9.24.0"));
  }
}

TEST_P(Cudnn, ChosenButRefusedIsAnErrorWithTheReason) {
  CudnnDevice device(LVX_ATTENTION_BACKEND_CUDNN);
  Case masked(shape_of(1, 3, 9, 2, 1, 16), GetParam(), 2);
  masked.visibility = random_ranges(masked.shape, 1, 2);
  Case misaligned(shape_of(1, 3, 9, 2, 1, 16), GetParam(), 2, {1, 0});
  for (const auto& [c, reason] : {std::pair{&masked, "visibility"}, {&misaligned, "16 bytes"}}) {
    const Error error = error_of_call([&] { device_forward(device, *c); });
    EXPECT_EQ(error.status(), LVX_UNSUPPORTED);
    EXPECT_THAT(error.what(), HasSubstr(reason));
  }
  const CudnnFault fault("no engine:0:0:0");
  Case c(shape_of(1, 3, 9, 2, 1, 16), GetParam(), 2);
  EXPECT_EQ(error_of_call([&] { device_forward(device, c); }).status(), LVX_UNSUPPORTED);
  EXPECT_EQ(device.take_attention_backends_used(), 0U);
}

// A problem without rows or keys is valid, and does not use cuDNN.
TEST_P(Cudnn, EmptyProblemsGiveTheIdentity) {
  CudnnDevice device(LVX_ATTENTION_BACKEND_CUDNN);
  const int before = cudnn_executions();
  Case c(shape_of(1, 3, 0, 2, 1, 16), GetParam(), 2);
  Forward f = device_forward(device, c);
  for (std::int64_t i = 0; i < f.o.count(); ++i) EXPECT_EQ(f.o.get(i), 0);
  for (std::int64_t i = 0; i < f.lse.count(); ++i) EXPECT_EQ(f.lse.get(i), -kInfinity);
  EXPECT_EQ(cudnn_executions(), before);
}

TEST_P(Cudnn, ErrorsKeepTheirKindAndLeaveNothing) {
  Case c(shape_of(1, 3, 9, 2, 1, 16), GetParam(), 2);
  for (const auto& [fault, status] : {std::pair{"cudnnCreate:0:0:1001", LVX_MISSING_LIBRARY},
                                      {"cudnnBackendExecute:0:0:5000", LVX_DEVICE_ERROR},
                                      {"cudnnBackendExecute:0:0:4000", LVX_INTERNAL},
                                      {"cudnnBackendFinalize:0:9:4004", LVX_OUT_OF_MEMORY},
                                      {"cudnnBackendSetAttribute:0:30:5000", LVX_DEVICE_ERROR}}) {
    CudnnDevice device(LVX_ATTENTION_BACKEND_CUDNN);
    {
      const CudnnFault injected(fault);
      const Error error = error_of_call([&] { device_forward(device, c); });
      EXPECT_EQ(error.status(), status) << fault;
      EXPECT_THAT(error.what(), HasSubstr("injected"));
      EXPECT_EQ(device.bytes_in_use(), 0U);
    }
    expect_matches(device, c, bounds_of(GetParam()), "afterwards");
  }
}

TEST(CudnnSupport, SaysWhyNot) {
  const auto expected = [](const AttentionRequest& r, int major) -> std::string {
    if (r.dtype == DType::kFloat32) return "float32";
    if (r.dtype == DType::kFloat64) return "float64";
    if (r.visibility) return "visibility";
    if (r.bias) return "bias";
    if (!r.aligned) return "16 bytes";
    if (r.backward && major != 10) return "10.x";
    if (r.backward && r.head_dim > 128) return "128";
    return "";
  };
  for (const DType dtype : {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    for (const std::int64_t dim : {8, 128, 136, 256}) {
      for (const int major : {8, 9, 10, 12}) {
        for (int bits = 0; bits < 16; ++bits) {
          const AttentionRequest r{(bits & 1) != 0, dtype,           dim,
                                   (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
          const std::string why = cudnn::why_not(r, major);
          const std::string what = expected(r, major);
          EXPECT_EQ(why.empty(), what.empty());
          EXPECT_THAT(why, HasSubstr(what));
        }
      }
    }
  }
}

// In separate processes, because a loaded library is never unloaded.
void load_and_tell(const char* library, const char* version) {
  setenv("LVX_CUDNN_LIBRARY", library, 1);          // NOLINT(concurrency-mt-unsafe)
  setenv("LVX_CUDNN_STANDIN_VERSION", version, 1);  // NOLINT(concurrency-mt-unsafe)
  try {
    cudnn::loaded_api();
  } catch (const Error& error) {
    std::fputs(error.what(), stderr);
    std::_Exit(error.status());
  }
  std::_Exit(0);
}

TEST(CudnnLibraryDeathTest, WhatIsMissingIsNamed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const ::testing::ExitedWithCode missing(LVX_MISSING_LIBRARY);
  EXPECT_EXIT(load_and_tell("/nowhere/libcudnn.so.9", "92400"), missing,
              "cuDNN cannot be loaded: /nowhere/libcudnn.so.9.*nvidia-cudnn-cu13.*LVX_CUDNN_LIBRARY");
  EXPECT_EXIT(load_and_tell(LVX_CUDNN_STANDIN, "91600"), missing, "is cuDNN 9.16.0; install cuDNN 9.17");
  EXPECT_EXIT(load_and_tell("libc.so.6", "92400"), missing, "libc.so.6 has no cudnnGetVersion");
}

}  // namespace
}  // namespace lvx::testing
