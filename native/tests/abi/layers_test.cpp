// SPDX-License-Identifier: Apache-2.0
// Layer operations through the C ABI: results, in-place calls, absent optional tensors, and sums over ranks.
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <cmath>

#include "owned_tensor.h"

namespace lvx::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Layers : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(lvx_device_open_cpu(nullptr, &device), LVX_OK);
    ASSERT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_OK);
  }
  void TearDown() override {
    EXPECT_EQ(lvx_group_close(group), LVX_OK);
    EXPECT_EQ(lvx_device_close(device), LVX_OK);
  }
  static void refused(lvx_status status, const char* argument, const char* part = "") {
    EXPECT_EQ(status, LVX_INVALID_ARGUMENT) << argument;
    EXPECT_STREQ(error_now().argument, argument);
    EXPECT_THAT(error_now().message, StartsWith(std::string(argument) + ":"));
    EXPECT_THAT(error_now().message, HasSubstr(part));
  }

  lvx_device device = 0;
  lvx_group group = 0;
  OwnedTensor x{DType::kFloat32, {2, 3, 8}}, y{DType::kFloat32, {2, 3, 8}}, z{DType::kFloat32, {2, 3, 8}};
  OwnedTensor weight{DType::kFloat32, {8}}, gradient{DType::kFloat32, {8}};
  OwnedTensor one{DType::kFloat32, {1}}, gradient_of_one{DType::kFloat32, {1}};
  OwnedTensor w{DType::kFloat32, {8, 8}};
  OwnedTensor heads{DType::kFloat32, {2, 3, 1, 8}}, positions{DType::kInt32, {2, 3}};
};

TEST_F(Layers, NumbersAreChecked) {
  for (const int norm : {-1, 0, 3}) {
    refused(lvx_norm_forward(device, norm, 0, x, weight, nullptr, y), "norm");
    refused(lvx_norm_backward(device, norm, 0, x, weight, y, z, 0, gradient, nullptr), "norm");
  }
  for (const double epsilon : {-1e-9, std::nan(""), HUGE_VAL}) {
    refused(lvx_norm_forward(device, LVX_NORM_RMS, epsilon, x, weight, nullptr, y), "epsilon");
  }
  for (const double theta : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    refused(lvx_rotary(device, theta, 0, heads, positions, heads), "theta");
  }
  for (const int flag : {-1, 2}) {
    refused(lvx_rotary(device, 1e4, flag, heads, positions, heads), "inverse");
    refused(lvx_norm_backward(device, LVX_NORM_RMS, 0, x, weight, y, z, flag, gradient, nullptr), "add_dx");
    refused(lvx_linear_backward(device, x, w, y, z, flag, nullptr, nullptr), "add_dx");
  }
}

TEST_F(Layers, TensorsThatMakeNoSenseTogetherAreRefused) {
  refused(lvx_norm_forward(device, LVX_NORM_RMS, 0, x, weight, weight, y), "bias", "LVX_NORM_RMS");
  refused(lvx_norm_backward(device, LVX_NORM_RMS, 0, x, weight, y, z, 0, nullptr, gradient), "dbias");
  refused(lvx_gated_add_backward(device, x, nullptr, nullptr, y, z, gradient_of_one), "dgate");
  refused(lvx_gated_add_backward(device, nullptr, one, nullptr, y, z, gradient_of_one), "branch");
  refused(lvx_linear_backward(device, nullptr, w, y, nullptr, 0, w, nullptr), "x");
  refused(lvx_rotary(device, 1e4, 0, x, positions, x), "x", "headDim");
  OwnedTensor odd(DType::kFloat32, {2, 3, 1, 7}), wide(DType::kFloat32, {2, 3, 1, 258});
  refused(lvx_rotary(device, 1e4, 0, odd, positions, odd), "x", "even");
  refused(lvx_rotary(device, 1e4, 0, wide, positions, wide), "x", "256");
}

TEST_F(Layers, OutputsMayBeWhatTheyAreComputedFromOnlyWhereThatIsSaid) {
  EXPECT_EQ(lvx_norm_forward(device, LVX_NORM_RMS, 1, x, weight, nullptr, x), LVX_OK);
  EXPECT_EQ(lvx_norm_backward(device, LVX_NORM_RMS, 1, x, weight, y, y, 0, gradient, nullptr), LVX_OK);
  refused(lvx_norm_backward(device, LVX_NORM_RMS, 1, x, weight, y, y, 1, gradient, nullptr), "dx", "dy");
  refused(lvx_norm_backward(device, LVX_NORM_RMS, 1, x, weight, y, x, 0, gradient, nullptr), "dx", "x");
  EXPECT_EQ(lvx_rotary(device, 1e4, 0, heads, positions, heads), LVX_OK);
  EXPECT_EQ(lvx_swiglu_forward(device, x, y, y), LVX_OK);
  EXPECT_EQ(lvx_swiglu_backward(device, x, y, z, x, y), LVX_OK);
  refused(lvx_swiglu_backward(device, x, y, z, y, x), "dgate", "up");
  refused(lvx_swiglu_backward(device, x, y, z, x, z), "dup", "dy");
  refused(lvx_swiglu_backward(device, x, x, z, x, x), "dup", "dgate");
  EXPECT_EQ(lvx_gelu_backward(device, x, y, y), LVX_OK);
  EXPECT_EQ(lvx_gated_add_forward(device, x, y, nullptr, nullptr, y), LVX_OK);
  EXPECT_EQ(lvx_gated_add_backward(device, x, nullptr, nullptr, y, x, nullptr), LVX_OK);
  refused(lvx_gated_add_backward(device, x, nullptr, nullptr, y, y, nullptr), "dbranch", "dy");
  refused(lvx_blend_backward(device, x, y, weight, nullptr, z, y, x, nullptr), "da", "b");
  refused(lvx_add(device, x, x), "y", "x");
  refused(lvx_linear_forward(device, x, w, nullptr, x), "y", "x");
}

TEST_F(Layers, RowsOfAMatrixLieApart) {
  w.strides[0] = 7;
  refused(lvx_linear_forward(device, x, w, nullptr, y), "w", "stride 7");
  w.strides[0] = 0;
  refused(lvx_linear_forward(device, x, w, nullptr, y), "w", "stride 0");
}

TEST_F(Layers, AbsentTensorsAreLeftOut) {
  EXPECT_EQ(lvx_linear_backward(device, nullptr, w, y, z, 0, nullptr, gradient), LVX_OK);
  EXPECT_EQ(lvx_linear_backward(device, x, w, y, nullptr, 0, nullptr, nullptr), LVX_OK);
  EXPECT_EQ(lvx_norm_backward(device, LVX_NORM_LAYER, 1, x, weight, y, nullptr, 0, nullptr, nullptr), LVX_OK);
  EXPECT_EQ(lvx_gated_add_backward(device, nullptr, one, nullptr, y, z, nullptr), LVX_OK);
}

TEST_F(Layers, RowsThatAreNotLiveAreCleared) {
  std::fill_n(x.as<float>(), 48, 5.0f);
  positions.as<std::int32_t>()[4] = 1;
  EXPECT_EQ(lvx_clear_rows(device, positions, x), LVX_OK);
  for (int i = 0; i < 48; ++i) EXPECT_EQ(x.as<float>()[i], i / 8 == 4 ? 5.0f : 0.0f);
  refused(lvx_clear_rows(device, nullptr, x), "live");
  refused(lvx_clear_rows(device, positions, nullptr), "x");
  refused(lvx_clear_rows(device, weight, x), "live");
}

TEST_F(Layers, EmptyTensorsAreFine) {
  OwnedTensor none(DType::kFloat32, {2, 0, 8}), no_positions(DType::kInt32, {2, 0});
  gradient.as<float>()[3] = 7;
  EXPECT_EQ(lvx_linear_forward(device, none, w, nullptr, none), LVX_OK);
  EXPECT_EQ(lvx_linear_backward(device, none, w, none, none, 1, w, gradient),
            LVX_INVALID_ARGUMENT);  // dw is w
  EXPECT_EQ(lvx_linear_backward(device, none, w, none, none, 1, nullptr, gradient), LVX_OK);
  EXPECT_EQ(lvx_norm_backward(device, LVX_NORM_RMS, 1, none, weight, none, none, 1, gradient, nullptr),
            LVX_OK);
  EXPECT_EQ(lvx_blend_backward(device, none, none, weight, no_positions, none, none, none, gradient), LVX_OK);
  EXPECT_EQ(lvx_add(device, none, none), LVX_OK);
  EXPECT_EQ(gradient.as<float>()[3], 7);
}

TEST_F(Layers, SumsOverRanksTakeCompactTensorsOfAccumulators) {
  for (OwnedTensor* tensor : {&one, &w, &x, &heads}) {
    tensor->as<float>()[0] = 3;
    EXPECT_EQ(lvx_group_all_reduce(group, *tensor), LVX_OK);
    EXPECT_EQ(tensor->as<float>()[0], 3);
  }
  OwnedTensor half(DType::kBFloat16, {4}), deep(DType::kFloat32, {1, 1, 1, 1, 1});
  refused(lvx_group_all_reduce(group, nullptr), "tensor");
  refused(lvx_group_all_reduce(group, half), "tensor", "float32");
  refused(lvx_group_all_reduce(group, positions), "tensor", "int32");
  refused(lvx_group_all_reduce(group, deep), "tensor", "dimensions");
  w.strides[0] = 9;
  refused(lvx_group_all_reduce(group, w), "tensor", "compact");
  EXPECT_STREQ(error_now().operation, "all_reduce");
  EXPECT_EQ(lvx_group_all_reduce(device, one), LVX_INVALID_HANDLE);
}

}  // namespace
}  // namespace lvx::test
