// SPDX-License-Identifier: Apache-2.0
// The real cuDNN without a GPU. Symbols and descriptors need nothing else. Plans need NVRTC and a driver, for which there is a
// stand-in (standin/driver_standin.c): kernels are chosen and compiled, but never executed.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "base/error.h"
#include "device/cuda/cudnn/plan.h"

namespace lvx::test {
namespace {

using cudnn::BackendDescriptor;
using cudnn::Operation;
using cudnn::Plan;
using ::testing::HasSubstr;

const cudnn::Api& real_cudnn() {
  static const cudnn::Api& api = []() -> const cudnn::Api& {
    // Later loads of the driver get this library, because it has the same soname.
    EXPECT_NE(dlopen(LVX_DRIVER_STANDIN, RTLD_NOW | RTLD_GLOBAL), nullptr) << dlerror();
#ifdef LVX_NVRTC_LIBRARY
    dlopen(LVX_NVRTC_LIBRARY, RTLD_NOW | RTLD_GLOBAL);
#endif
    setenv("LVX_CUDNN_LIBRARY", LVX_CUDNN_REAL_LIBRARY, 1);  // NOLINT(concurrency-mt-unsafe)
    return cudnn::loaded_api();
  }();
  return api;
}

Operation operation(bool backward, const ProblemShape& p, DType dtype) {
  std::byte nothing{};
  const Bshd queries = compact_queries(&nothing, dtype, p);
  const Bshd keys = compact_keys(&nothing, dtype, p);
  Operation made = cudnn::operation_of(p, queries, keys, keys, backward);
  made.o = made.d_o = made.dq = made.q;
  made.dk = made.dv = made.k;
  made.lse = cudnn::strides_of(compact_row_values(&nothing, DType::kFloat32, p));
  return made;
}

// The GPU properties that cuDNN plans for. The fields are those on which plans depend.
BackendDescriptor gpu(const cudnn::Api& api, int compute_capability, int multiprocessors, int shared_bytes) {
  const std::string json =
      R"({"deviceName":"a GPU","maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],)"
      R"("regsPerBlock":65536,"warpSize":32,"maxSharedMemoryPerBlock":49152,"reservedSharedMemoryPerBlock":1024,)"
      R"("maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,)"
      R"("pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"totalGlobalMem":85899345920,)"
      R"("smClockRateKHz":1410000,"memClockRateKHz":1512000,"l2CacheSize":52428800,"cudaDeviceId":0,)"
      R"("smCountOrigin":0,"driverVer":13000,"multiProcessorCount":)" +
      std::to_string(multiprocessors) + R"(,"maxSharedMemoryPerBlockOptin":)" + std::to_string(shared_bytes) +
      R"(,"deviceVer":)" + std::to_string(compute_capability) + "}";
  BackendDescriptor made(api, cudnn::kDeviceProperties);
  made.set(cudnn::kDeviceJson, cudnn::kCharType, json.size(), json.data());
  made.finalize("device properties");
  return made;
}
BackendDescriptor a100(const cudnn::Api& api) { return gpu(api, 800, 108, 166912); }
BackendDescriptor h100(const cudnn::Api& api) { return gpu(api, 900, 132, 232448); }
BackendDescriptor b200(const cudnn::Api& api) { return gpu(api, 1000, 148, 232448); }
BackendDescriptor rtx6000(const cudnn::Api& api) { return gpu(api, 1200, 188, 101376); }

const ProblemShape kShapes[] = {
    {1, 128, 6404, 32, 8, 128, 1, 0}, {1, 256, 8192, 8, 8, 64, 1, 0}, {2, 33, 101, 6, 3, 72, 1, 0}};

void expect_plan(const BackendDescriptor& device, bool backward, const ProblemShape& p, DType dtype) {
  SCOPED_TRACE(std::to_string(p.queries) + "x" + std::to_string(p.keys) + " " + name_of(dtype));
  try {
    const Plan plan(real_cudnn(), {nullptr, &device}, operation(backward, p, dtype));
    EXPECT_LT(plan.workspace_bytes(), std::size_t{1} << 30);
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
}

TEST(CudnnLibrary, HasEverySymbol) { EXPECT_GE(real_cudnn().get_version(), cudnn::kOldestVersion); }

TEST(CudnnLibrary, DescribesBothOperations) {
  for (const ProblemShape& p : kShapes) {
    for (const bool backward : {false, true}) {
      for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
        EXPECT_EQ(describe(real_cudnn(), operation(backward, p, dtype)).size(), backward ? 11U : 7U);
      }
    }
  }
}

TEST(CudnnLibrary, RefusesHeadsThatDoNotGroup) {
  EXPECT_THROW(describe(real_cudnn(), operation(false, {1, 4, 4, 3, 2, 64, 1, 0}, DType::kBFloat16)), Error);
}

// Calls that need a GPU report its absence.
TEST(CudnnLibrary, StartsNothingWithoutAGpu) {
  const cudnn::Api& api = real_cudnn();
  cudnn::Handle handle = nullptr;
  try {
    api.check(api.create(&handle), "start");
    ADD_FAILURE() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), LVX_MISSING_LIBRARY) << error.what();
  }
}

#ifdef LVX_NVRTC_LIBRARY

TEST(CudnnLibrary, PlansForward) {
  for (const auto& make : {&a100, &h100, &b200, &rtx6000}) {
    const BackendDescriptor device = make(real_cudnn());
    expect_plan(device, false, kShapes[0], DType::kBFloat16);
    expect_plan(device, false, kShapes[1], DType::kFloat16);
    expect_plan(device, false, kShapes[2], DType::kBFloat16);
    expect_plan(device, false, {1, 64, 100, 4, 4, 256, 1, 0}, DType::kFloat16);
  }
}

// Backward has no heuristics, so its engines are tried one after the other.
TEST(CudnnLibrary, PlansBackwardWhereItRuns) {
  const BackendDescriptor device = b200(real_cudnn());
  for (const ProblemShape& p : kShapes) {
    for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) expect_plan(device, true, p, dtype);
  }
}

// cudnn::why_not agrees with cuDNN for backward. If this fails, cuDNN supports more: change both.
TEST(CudnnLibrary, RefusesBackwardElsewhere) {
  const ProblemShape wide = {1, 64, 100, 4, 4, 256, 1, 0};
  for (const auto& [make, p] :
       {std::pair{&a100, kShapes[0]}, {&h100, kShapes[0]}, {&rtx6000, kShapes[0]}, {&b200, wide}}) {
    const BackendDescriptor device = make(real_cudnn());
    try {
      const Plan plan(real_cudnn(), {nullptr, &device}, operation(true, p, DType::kBFloat16));
      ADD_FAILURE() << "expected an error";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), LVX_UNSUPPORTED);
      EXPECT_THAT(error.what(), HasSubstr("cuDNN"));
    }
  }
}

#endif

}  // namespace
}  // namespace lvx::test
