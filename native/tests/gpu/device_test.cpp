// SPDX-License-Identifier: Apache-2.0
// The CUDA device through the C ABI: memory, streams and errors.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <filesystem>
#include <vector>

#include "gpu/gpu_tensor.h"

namespace lvx::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kGpuToBeLost = 2;

lvx_cuda_options options_of(int ordinal, std::uint64_t budget = 0, void* stream = nullptr) {
  lvx_cuda_options options{};
  options.struct_size = sizeof(options);
  options.ordinal = ordinal;
  options.memory_budget = budget;
  options.stream = stream;
  return options;
}

lvx_device open_gpu(const lvx_cuda_options& options = options_of(0)) {
  lvx_device device = 0;
  EXPECT_EQ(lvx_device_open_cuda(&options, &device), LVX_OK) << error_now().message;
  return device;
}

lvx_device_info query(lvx_device device) {
  lvx_device_info info{};
  info.struct_size = sizeof(info);
  EXPECT_EQ(lvx_device_query(device, &info), LVX_OK) << error_now().message;
  return info;
}

void close(lvx_device device) { EXPECT_EQ(lvx_device_close(device), LVX_OK) << error_now().message; }

TEST(GpuDevice, SaysWhatItIs) {
  const lvx_device device = open_gpu(options_of(1, 1000));
  const lvx_device_info info = query(device);
  EXPECT_EQ(info.kind, LVX_CUDA);
  EXPECT_EQ(info.ordinal, 1);
  EXPECT_EQ(info.threads, 1);
  EXPECT_STREQ(info.name, "simulated GPU");
  EXPECT_EQ(info.compute_major, 9);
  EXPECT_EQ(info.compute_minor, 0);
  EXPECT_EQ(info.multiprocessors, 4);
  EXPECT_EQ(info.memory_total, 256u << 20);
  EXPECT_EQ(info.memory_free, info.memory_total);
  EXPECT_EQ(info.memory_budget, 1000u);
  close(device);
}

TEST(GpuDevice, RefusesAnOrdinalThatThereIsNot) {
  const lvx_cuda_options options = options_of(3);
  lvx_device device = 0;
  EXPECT_EQ(lvx_device_open_cuda(&options, &device), LVX_INVALID_ARGUMENT);
  EXPECT_THAT(error_now().message, HasSubstr("ordinal: expected a GPU from 0 to 2, got 3"));
}

TEST(GpuDevice, BuffersAreZeroAndGivenBack) {
  const lvx_device device = open_gpu();
  lvx_buffer buffer = 0;
  void* data = nullptr;
  ASSERT_EQ(lvx_buffer_allocate(device, 12, &buffer, &data), LVX_OK) << error_now().message;
  std::vector<int> numbers = {1, 2, 3};
  EXPECT_EQ(lvx_device_copy(device, data, numbers.data(), 12), LVX_OK);
  EXPECT_EQ(numbers, std::vector<int>(3));
  EXPECT_EQ(query(device).bytes_in_use, 12u);
  EXPECT_LT(query(device).memory_free, query(device).memory_total);
  EXPECT_EQ(lvx_device_close(device), LVX_INVALID_STATE);
  EXPECT_EQ(lvx_buffer_free(buffer), LVX_OK);
  EXPECT_EQ(query(device).bytes_in_use, 0u);
  EXPECT_EQ(query(device).memory_free, query(device).memory_total);
  close(device);
}

TEST(GpuDeviceDeathTest, ItsMemoryIsNotTheHosts) {
  const lvx_device device = open_gpu();
  lvx_buffer buffer = 0;
  void* data = nullptr;
  ASSERT_EQ(lvx_buffer_allocate(device, 4, &buffer, &data), LVX_OK);
  EXPECT_DEATH(*static_cast<volatile int*>(data) = 1, "");
  EXPECT_EQ(lvx_buffer_free(buffer), LVX_OK);
  close(device);
}

TEST(GpuDevice, OutOfMemorySaysWhatAndLeavesEverythingUsable) {
  const lvx_device device = open_gpu(options_of(0, 1000));
  lvx_buffer first = 0;
  lvx_buffer second = 0;
  void* data = nullptr;
  ASSERT_EQ(lvx_buffer_allocate(device, 600, &first, &data), LVX_OK);
  EXPECT_EQ(lvx_buffer_allocate(device, 500, &second, &data), LVX_OUT_OF_MEMORY);
  EXPECT_THAT(error_now().message,
              HasSubstr("cannot allocate 500 bytes: the device holds 600 of a budget of 1000"));
  EXPECT_EQ(lvx_buffer_free(first), LVX_OK);
  EXPECT_EQ(lvx_buffer_allocate(device, 500, &second, &data), LVX_OK);
  EXPECT_EQ(lvx_buffer_free(second), LVX_OK);
  EXPECT_EQ(query(device).peak_bytes, 600u);
  close(device);
}

TEST(GpuDevice, TheGpusOwnMemoryEndsToo) {
  const lvx_device device = open_gpu();
  lvx_buffer buffer = 0;
  void* data = nullptr;
  EXPECT_EQ(lvx_buffer_allocate(device, std::uint64_t{1} << 30, &buffer, &data), LVX_OUT_OF_MEMORY);
  EXPECT_THAT(
      error_now().message,
      HasSubstr(
          "the GPU has no 1073741824 bytes of memory left; the device holds 0, 268435456 of 268435456"));
  ASSERT_EQ(lvx_buffer_allocate(device, 1 << 20, &buffer, &data), LVX_OK);
  EXPECT_EQ(lvx_buffer_free(buffer), LVX_OK);
  close(device);
}

TEST(GpuDevice, CopiesThatWereBegunAreDoneOnceTheDeviceIsWaitedFor) {
  const lvx_device device = open_gpu();
  lvx_buffer there = 0;
  lvx_buffer here = 0;
  void* gpu = nullptr;
  void* host = nullptr;
  ASSERT_EQ(lvx_buffer_allocate(device, 4, &there, &gpu), LVX_OK);
  ASSERT_EQ(lvx_host_buffer_allocate(device, 4, &here, &host), LVX_OK) << error_now().message;
  int& number = *static_cast<int*>(host);
  EXPECT_EQ(number, 0);
  number = 7;
  EXPECT_EQ(lvx_device_copy(device, host, gpu, 4), LVX_OK);
  number = 0;
  EXPECT_EQ(lvx_device_copy_begin(device, gpu, host, 4), LVX_OK);
  EXPECT_EQ(number, 0) << "copied before anybody waited";
  EXPECT_EQ(lvx_device_synchronize(device), LVX_OK);
  EXPECT_EQ(number, 7);
  EXPECT_EQ(query(device).buffers, 2u);
  EXPECT_EQ(query(device).bytes_in_use, 4u) << "host memory is not counted";
  EXPECT_EQ(lvx_buffer_free(here), LVX_OK);
  EXPECT_EQ(lvx_buffer_free(there), LVX_OK);
  close(device);
}

TEST(GpuDevice, TellsWhoseMemoryAnAddressIs) {
  const lvx_device device = open_gpu();
  const lvx_device other = open_gpu(options_of(1));
  lvx_buffer buffer = 0;
  void* data = nullptr;
  ASSERT_EQ(lvx_buffer_allocate(device, 64, &buffer, &data), LVX_OK);
  EXPECT_EQ(lvx_device_check_address(device, static_cast<char*>(data) + 60), LVX_OK);
  EXPECT_EQ(lvx_device_check_address(other, data), LVX_INVALID_ARGUMENT);
  EXPECT_THAT(error_now().message, HasSubstr("expected memory of GPU 1, got memory of GPU 0"));
  int own = 0;
  EXPECT_EQ(lvx_device_check_address(device, &own), LVX_INVALID_ARGUMENT);
  EXPECT_THAT(error_now().message, HasSubstr("that CUDA does not know"));
  EXPECT_EQ(lvx_device_check_address(device, nullptr), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_buffer_free(buffer), LVX_OK);
  close(other);
  close(device);
}

TEST(GpuDevice, WorksOnTheCallersStream) {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  void* plugin = dlopen((folder / "liblvx_cuda.so").c_str(), RTLD_NOW);
  ASSERT_NE(plugin, nullptr) << dlerror();
  auto* make = reinterpret_cast<void* (*)(int)>(dlsym(plugin, "lvx_cuda_standin_stream"));
  auto* wait = reinterpret_cast<int (*)(void*)>(dlsym(plugin, "lvx_cuda_standin_wait"));
  auto* end = reinterpret_cast<void (*)(void*)>(dlsym(plugin, "lvx_cuda_standin_close"));
  ASSERT_NE(make, nullptr);
  ASSERT_NE(wait, nullptr);
  ASSERT_NE(end, nullptr);
  void* stream = make(0);
  const lvx_device device = open_gpu(options_of(0, 0, stream));
  lvx_buffer buffer = 0;
  void* data = nullptr;
  ASSERT_EQ(lvx_buffer_allocate(device, 4, &buffer, &data), LVX_OK);
  int number = 7;
  EXPECT_EQ(lvx_device_copy_begin(device, data, &number, 4), LVX_OK);
  EXPECT_EQ(number, 7);
  EXPECT_EQ(wait(stream), 0);
  EXPECT_EQ(number, 0) << "not done by the caller's stream";
  EXPECT_EQ(lvx_buffer_free(buffer), LVX_OK);
  close(device);
  EXPECT_EQ(wait(stream), 0) << "the stream is the caller's";
  end(stream);
}

TEST(GpuDevice, AFaultLosesTheGpuAndNothingElse) {
  const lvx_device device = open_gpu(options_of(kGpuToBeLost));
  const lvx_device other = open_gpu(options_of(1));
  lvx_group group = 0;
  ASSERT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_OK);
  {
    GpuTensor q(device, DType::kFloat32, {1, 1, 1, 16});
    GpuTensor o(device, DType::kFloat32, {1, 1, 1, 16});
    GpuTensor lse(device, DType::kFloat32, {1, 1, 1});
    GpuTensor k(device, DType::kFloat32, {1, 1, 1, 16});  // allocated last, so that no memory follows it
    lvx_attention_options options{};
    options.struct_size = sizeof(options);
    options.scale = 1;
    options.strategy = LVX_QUERY_RING;
    lvx_tensor too_long = k.tensor;  // claims to have 2000 keys
    std::int64_t extents[] = {1, 2000, 1, 16};
    std::int64_t strides[] = {32000, 16, 16, 1};
    too_long.shape = extents;
    too_long.strides = strides;
    EXPECT_EQ(
        lvx_attention_forward(group, &options, q, &too_long, &too_long, nullptr, nullptr, o, lse, nullptr),
        LVX_OK)
        << error_now().message;
    EXPECT_EQ(lvx_device_synchronize(device), LVX_DEVICE_ERROR);
    EXPECT_THAT(error_now().message,
                AllOf(HasSubstr("lost to this process"), HasSubstr("cudaErrorIllegalAddress")));
    EXPECT_EQ(lvx_device_synchronize(device), LVX_DEVICE_ERROR) << "it stays lost";
    EXPECT_EQ(lvx_device_synchronize(other), LVX_OK);
  }
  EXPECT_EQ(lvx_group_close(group), LVX_OK) << error_now().message;
  close(device);
  close(other);
  const lvx_cuda_options again = options_of(kGpuToBeLost);
  lvx_device refused = 0;
  EXPECT_EQ(lvx_device_open_cuda(&again, &refused), LVX_DEVICE_ERROR);
}

}  // namespace
}  // namespace lvx::test
