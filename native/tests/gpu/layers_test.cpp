// SPDX-License-Identifier: Apache-2.0
// Layers on a GPU through the C ABI, compared with the same calls on the CPU. Temporary memory is allocated and freed on the
// stream, and the test does not synchronise between kernels.
#include <gtest/gtest.h>
#include <lvx/lvx.h>

#include <cmath>

#include "gpu/gpu_tensor.h"

namespace lvx::test {
namespace {

constexpr std::int64_t kRows = 9, kIn = 24, kOut = 40;

struct Tensors {
  GpuTensor x, w, b, gate, y, h, dy, dx, dw, db, dgate;

  explicit Tensors(lvx_device device)
      : x(device, DType::kFloat64, {2, kRows, kIn}),
        w(device, DType::kFloat64, {kOut, kIn}),
        b(device, DType::kFloat64, {kOut}),
        gate(device, DType::kFloat64, {1}),
        y(device, DType::kFloat64, {2, kRows, kOut}),
        h(device, DType::kFloat64, {2, kRows, kOut}),
        dy(device, DType::kFloat64, {2, kRows, kOut}),
        dx(device, DType::kFloat64, {2, kRows, kIn}),
        dw(device, DType::kFloat64, {kOut, kIn}),
        db(device, DType::kFloat64, {kOut}),
        dgate(device, DType::kFloat64, {1}) {
    std::uint64_t seed = 0;
    for (GpuTensor* each : {&x, &w, &b, &gate, &dy, &dw, &db, &dgate}) each->fill(++seed);
  }
};

// h = norm(x w^T + b), then backward from a gated sum.
void compute(lvx_device device, Tensors& t) {
  const auto well = [](lvx_status status) { ASSERT_EQ(status, LVX_OK) << error_now().message; };
  well(lvx_linear_forward(device, t.x, t.w, t.b, t.y));
  well(lvx_norm_forward(device, LVX_NORM_LAYER, 1e-5, t.y, t.b, nullptr, t.h));
  well(lvx_gated_add_backward(device, t.h, t.gate, nullptr, t.dy, t.h, t.dgate));
  well(lvx_norm_backward(device, LVX_NORM_LAYER, 1e-5, t.y, t.b, t.h, t.h, 0, t.db, nullptr));
  well(lvx_linear_backward(device, t.x, t.w, t.h, t.dx, 0, t.dw, t.db));
  for (GpuTensor* each : {&t.y, &t.h, &t.dx, &t.dw, &t.db, &t.dgate}) each->fetch();
}

TEST(GpuLayers, ComputeWhatTheCpuComputes) {
  lvx_cpu_options cpu_options{};
  cpu_options.struct_size = sizeof(cpu_options);
  cpu_options.threads = 1;
  lvx_cuda_options gpu_options{};
  gpu_options.struct_size = sizeof(gpu_options);
  lvx_device cpu = 0, gpu = 0;
  ASSERT_EQ(lvx_device_open_cpu(&cpu_options, &cpu), LVX_OK) << error_now().message;
  ASSERT_EQ(lvx_device_open_cuda(&gpu_options, &gpu), LVX_OK) << error_now().message;
  {
    Tensors expected(cpu), got(gpu);
    compute(cpu, expected);
    compute(gpu, got);
    const auto expect_near = [](const GpuTensor& a, const GpuTensor& b, const char* what) {
      ASSERT_EQ(a.host.memory.size(), b.host.memory.size());
      for (std::size_t i = 0; i < a.host.memory.size(); ++i) {
        EXPECT_NEAR(a.host.memory[i], b.host.memory[i], 1e-11) << what << " " << i;
      }
    };
    expect_near(got.y, expected.y, "y");
    expect_near(got.h, expected.h, "h");
    expect_near(got.dx, expected.dx, "dx");
    expect_near(got.dw, expected.dw, "dw");
    expect_near(got.db, expected.db, "db");
    expect_near(got.dgate, expected.dgate, "dgate");
  }
  EXPECT_EQ(lvx_device_close(gpu), LVX_OK) << error_now().message;
  EXPECT_EQ(lvx_device_close(cpu), LVX_OK) << error_now().message;
}

TEST(GpuLayers, TheRateOfProductsIsMeasured) {
  lvx_cuda_options options{};
  options.struct_size = sizeof(options);
  lvx_device gpu = 0;
  ASSERT_EQ(lvx_device_open_cuda(&options, &gpu), LVX_OK) << error_now().message;
  double seconds = -1;
  EXPECT_EQ(lvx_probe_gemm(gpu, 64, &seconds), LVX_OK) << error_now().message;
  EXPECT_GE(seconds, 0);
  EXPECT_EQ(lvx_device_close(gpu), LVX_OK) << error_now().message;
}

}  // namespace
}  // namespace lvx::test
