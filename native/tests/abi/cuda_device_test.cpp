// SPDX-License-Identifier: Apache-2.0
// The CUDA device on a machine without a GPU: errors name what is missing. Also copies and synchronisation on any device.
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <cstring>
#include <vector>

#include "owned_tensor.h"

namespace lvx::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

TEST(CudaDevice, NamesWhatIsMissing) {
  lvx_device device = 0;
  const lvx_status status = lvx_device_open_cuda(nullptr, &device);
  if (status == LVX_OK) {
    EXPECT_EQ(lvx_device_close(device), LVX_OK);
    GTEST_SKIP() << "there is a GPU";
  }
  EXPECT_EQ(status, LVX_MISSING_LIBRARY);
  EXPECT_THAT(error_now().message,
              AnyOf(HasSubstr("liblvx_cuda.so"), HasSubstr("libcuda.so.1"), HasSubstr("finds no GPU")));
  EXPECT_EQ(device, 0u);
}

TEST(CudaDevice, RefusesWrongOptions) {
  lvx_device device = 0;
  lvx_cuda_options options{};
  EXPECT_EQ(lvx_device_open_cuda(&options, &device), LVX_INVALID_ARGUMENT);
  options.struct_size = sizeof(options);
  options.ordinal = -1;
  EXPECT_EQ(lvx_device_open_cuda(&options, &device), LVX_INVALID_ARGUMENT);
  EXPECT_THAT(error_now().message, HasSubstr("options.ordinal: expected 0 or more, got -1"));
  EXPECT_EQ(lvx_device_open_cuda(nullptr, nullptr), LVX_INVALID_ARGUMENT);
}

TEST(DeviceCopy, CopiesAndWaits) {
  lvx_cpu_options options{};
  options.struct_size = sizeof(options);
  options.threads = 1;
  lvx_device device = 0;
  ASSERT_EQ(lvx_device_open_cpu(&options, &device), LVX_OK);
  lvx_buffer buffer = 0;
  void* data = nullptr;
  ASSERT_EQ(lvx_buffer_allocate(device, 12, &buffer, &data), LVX_OK);
  const std::vector<float> from = {1, 2, 3};
  std::vector<float> to(3);
  EXPECT_EQ(lvx_device_copy(device, from.data(), data, 12), LVX_OK);
  EXPECT_EQ(lvx_device_copy(device, data, to.data(), 12), LVX_OK);
  EXPECT_EQ(to, from);
  EXPECT_EQ(lvx_device_synchronize(device), LVX_OK);
  EXPECT_EQ(lvx_device_copy(device, nullptr, nullptr, 0), LVX_OK);
  EXPECT_EQ(lvx_device_copy(device, nullptr, data, 4), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_device_copy(device, data, nullptr, 4), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_device_copy(device, from.data(), data, ~std::uint64_t{0}), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_buffer_free(buffer), LVX_OK);
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
  EXPECT_EQ(lvx_device_synchronize(device), LVX_INVALID_HANDLE);
}

}  // namespace
}  // namespace lvx::test
