// SPDX-License-Identifier: Apache-2.0
// The layers of the CPU device. Their results must not depend on its number of threads.
#include <gtest/gtest.h>

#include "device/cpu/cpu_device.h"
#include "device/layers/activation_contract.h"
#include "device/layers/gate_contract.h"
#include "device/layers/linear_contract.h"
#include "device/layers/norm_contract.h"
#include "device/layers/rotary_contract.h"

namespace lvx::testing {
namespace {

template <int kThreads>
std::unique_ptr<Device> with_threads() {
  return make_cpu_device({kThreads, 0});
}

const auto kDevices =
    ::testing::Values(NamedDevice{"cpu1", &with_threads<1>}, NamedDevice{"cpu3", &with_threads<3>},
                      NamedDevice{"cpu16", &with_threads<16>});
INSTANTIATE_TEST_SUITE_P(Layers, Activations, kDevices, device_name);
INSTANTIATE_TEST_SUITE_P(Layers, Joins, kDevices, device_name);
INSTANTIATE_TEST_SUITE_P(Layers, Linear, kDevices, device_name);
INSTANTIATE_TEST_SUITE_P(Layers, Norms, kDevices, device_name);
INSTANTIATE_TEST_SUITE_P(Layers, RotaryEmbedding, kDevices, device_name);

TEST(CpuLayers, SumsOfGatesHaveTheSameBitsWhateverTheThreads) {
  std::vector<Bytes> results;
  for (const int threads : {1, 6}) {
    const auto device = make_cpu_device({threads, 0});
    JoinCase c({1, 3000, 40}, DType::kFloat32, 4, true);
    Array gate = random_array({1, 1, 1}, DType::kFloat32, 8), dgate = zeros({1, 1, 1}, DType::kFloat32);
    device->layers().gated_add_backward(rows_of(c.b), parameter_of(gate), {}, rows_of(c.dy), rows_of(c.db),
                                        parameter_of(dgate));
    results.push_back(dgate.memory());
  }
  EXPECT_EQ(results[0], results[1]);
}

TEST(CpuLayers, GradientsOfNormsHaveTheSameBitsWhateverTheThreads) {
  for (const lvx_norm kind : kNorms) {
    NormCase one(kind, {1, 5000, 1, 40}, DType::kFloat32, 3);
    NormCase many(kind, {1, 5000, 1, 40}, DType::kFloat32, 3);
    const auto alone = make_cpu_device({1, 0});
    const auto together = make_cpu_device({5, 0});
    one.backward(*alone, one.dx.bshd(), false);
    many.backward(*together, many.dx.bshd(), false);
    EXPECT_EQ(one.dx.memory(), many.dx.memory());
    EXPECT_EQ(one.dweight.memory(), many.dweight.memory());
    EXPECT_EQ(one.dbias.memory(), many.dbias.memory());
  }
}

TEST(CpuLayers, TakeNoScratchWhereNothingIsConverted) {
  const auto device = make_cpu_device({4, 0});
  EXPECT_EQ(device->layers().linear_scratch(1000, 1000, 1000, DType::kFloat32), 0u);
  EXPECT_EQ(device->layers().linear_scratch(1000, 1000, 1000, DType::kFloat64), 0u);
  EXPECT_GT(device->layers().linear_scratch(1000, 1000, 1000, DType::kBFloat16), 0u);
}

}  // namespace
}  // namespace lvx::testing
