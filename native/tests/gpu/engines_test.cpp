// SPDX-License-Identifier: Apache-2.0
// The choice of engines as users make it: options, refusals before anything moves, and what is said of it afterwards.
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <cstdlib>
#include <string>

#include "gpu/gpu_tensor.h"

namespace lvx::test {
namespace {

using testing::HasSubstr;

lvx_status open_gpu(int engine, lvx_device& device) {
  setenv("LVX_CUDNN_LIBRARY", LVX_CUDNN_STANDIN, 1);  // NOLINT(concurrency-mt-unsafe): before cuDNN is loaded
  lvx_cuda_options options{};
  options.struct_size = sizeof(options);
  options.engine = engine;
  return lvx_device_open_cuda(&options, &device);
}

struct Call {
  lvx_status status = LVX_OK;
  std::string message;
  lvx_statistics statistics{};
};

// A group of one rank computes forward in float32, which cuDNN does not take.
Call forward_by(int engine) {
  Call call;
  lvx_device device = 0;
  EXPECT_EQ(open_gpu(engine, device), LVX_OK) << error_now().message;
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

TEST(GpuEngines, WhatIsChosenButRefusedSaysWhy) {
  const Call call = forward_by(LVX_ENGINE_CUDNN);
  EXPECT_EQ(call.status, LVX_UNSUPPORTED);
  EXPECT_THAT(call.message, HasSubstr("got float32"));
  EXPECT_THAT(call.message, HasSubstr("LVX_ENGINE_AUTO"));
}

TEST(GpuEngines, AutoTakesOurKernelsAndTellsWhy) {
  const Call call = forward_by(LVX_ENGINE_AUTO);
  EXPECT_EQ(call.status, LVX_OK) << call.message;
  EXPECT_EQ(call.statistics.engines, 1 << LVX_ENGINE_LVX);
  lvx_device device = 0;
  ASSERT_EQ(open_gpu(LVX_ENGINE_AUTO, device), LVX_OK);
  lvx_engine_choice choice{};
  std::uint64_t count = 0;
  ASSERT_EQ(lvx_device_engine_choices(device, &choice, 1, &count), LVX_OK);
  EXPECT_EQ(count, 1U);
  EXPECT_EQ(choice.engine, LVX_ENGINE_LVX);
  EXPECT_EQ(choice.dtype_code, LVX_FLOAT);
  EXPECT_EQ(choice.dtype_bits, 32);
  EXPECT_THAT(choice.reason, HasSubstr("float32"));
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
}

TEST(GpuEngines, OptionsAreChecked) {
  lvx_device device = 0;
  for (const int engine : {-1, 3}) {
    EXPECT_EQ(open_gpu(engine, device), LVX_INVALID_ARGUMENT);
    EXPECT_THAT(error_now().message, HasSubstr("options.engine"));
  }
  std::uint64_t version = 0;
  EXPECT_EQ(lvx_device_load_cudnn(nullptr), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_device_load_cudnn(&version), LVX_OK) << error_now().message;
  EXPECT_EQ(version, 92400U);
}

}  // namespace
}  // namespace lvx::test
