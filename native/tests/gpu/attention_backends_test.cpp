// SPDX-License-Identifier: Apache-2.0
// The choice of attention backends through the C ABI: options, rejections before any data moves, and the reported choice.
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <cstdlib>
#include <string>

#include "gpu/gpu_tensor.h"

namespace lvx::test {
namespace {

using testing::HasSubstr;

lvx_status open_gpu(int attention_backend, lvx_device& device) {
  setenv("LVX_CUDNN_LIBRARY", LVX_CUDNN_STANDIN, 1);  // NOLINT(concurrency-mt-unsafe): before cuDNN is loaded
  lvx_cuda_options options{};
  options.struct_size = sizeof(options);
  options.attention_backend = attention_backend;
  return lvx_device_open_cuda(&options, &device);
}

struct Call {
  lvx_status status = LVX_OK;
  std::string message;
  lvx_statistics statistics{};
};

// A group of one rank computes forward in float32, which cuDNN does not support.
Call forward_by(int attention_backend) {
  Call call;
  lvx_device device = 0;
  EXPECT_EQ(open_gpu(attention_backend, device), LVX_OK) << error_now().message;
  lvx_group group = 0;
  EXPECT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_OK) << error_now().message;
  {
    GpuTensor q(device, DType::kFloat32, {1, 3, 2, 16});
    GpuTensor k(device, DType::kFloat32, {1, 9, 2, 16});
    GpuTensor o(device, DType::kFloat32, {1, 3, 2, 16});
    GpuTensor lse(device, DType::kFloat32, {1, 2, 3});
    lvx_attention_options options{};
    options.struct_size = sizeof(options);
    options.scale = 0.25;
    options.strategy = LVX_QUERY_RING;
    call.statistics.struct_size = sizeof(call.statistics);
    call.status = lvx_attention_forward(group, &options, q, k, k, nullptr, nullptr, o, lse, &call.statistics);
    call.message = error_now().message;
  }
  EXPECT_EQ(lvx_group_close(group), LVX_OK);
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
  return call;
}

TEST(GpuAttentionBackends, WhatIsChosenButRefusedSaysWhy) {
  const Call call = forward_by(LVX_ATTENTION_BACKEND_CUDNN);
  EXPECT_EQ(call.status, LVX_UNSUPPORTED);
  EXPECT_THAT(call.message, HasSubstr("got float32"));
  EXPECT_THAT(call.message, HasSubstr("LVX_ATTENTION_BACKEND_AUTO"));
}

TEST(GpuAttentionBackends, AutoTakesOurKernelsAndTellsWhy) {
  const Call call = forward_by(LVX_ATTENTION_BACKEND_AUTO);
  EXPECT_EQ(call.status, LVX_OK) << call.message;
  EXPECT_EQ(call.statistics.attention_backends, 1 << LVX_ATTENTION_BACKEND_LVX);
  lvx_device device = 0;
  ASSERT_EQ(open_gpu(LVX_ATTENTION_BACKEND_AUTO, device), LVX_OK);
  lvx_attention_backend_choice choice{};
  std::uint64_t count = 0;
  ASSERT_EQ(lvx_device_attention_backend_choices(device, &choice, 1, &count), LVX_OK);
  EXPECT_EQ(count, 1U);
  EXPECT_EQ(choice.attention_backend, LVX_ATTENTION_BACKEND_LVX);
  EXPECT_EQ(choice.dtype_code, LVX_FLOAT);
  EXPECT_EQ(choice.dtype_bits, 32);
  EXPECT_THAT(choice.reason, HasSubstr("float32"));
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
}

TEST(GpuAttentionBackends, OptionsAreChecked) {
  lvx_device device = 0;
  for (const int attention_backend : {-1, 3}) {
    EXPECT_EQ(open_gpu(attention_backend, device), LVX_INVALID_ARGUMENT);
    EXPECT_THAT(error_now().message, HasSubstr("options.attention_backend"));
  }
  std::uint64_t version = 0;
  EXPECT_EQ(lvx_device_load_cudnn(nullptr), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_device_load_cudnn(&version), LVX_OK) << error_now().message;
  EXPECT_EQ(version, 92400U);
}

}  // namespace
}  // namespace lvx::test
