// SPDX-License-Identifier: Apache-2.0
// The layers of the CUDA device, executed lane by lane on the host.
#include <gtest/gtest.h>

#include "cuda/simulated_device.h"
#include "device/cpu/cpu_device.h"
#include "device/layers/activation_contract.h"
#include "device/layers/gate_contract.h"
#include "device/layers/linear_contract.h"
#include "device/layers/norm_contract.h"
#include "device/layers/rotary_contract.h"

namespace lvx::testing {
namespace {

const auto kDevices = ::testing::Values(
    NamedDevice{"simulated", [] { return std::unique_ptr<Device>(new SimulatedDevice()); }});
INSTANTIATE_TEST_SUITE_P(Layers, Activations, kDevices, device_name);
INSTANTIATE_TEST_SUITE_P(Layers, Joins, kDevices, device_name);
INSTANTIATE_TEST_SUITE_P(Layers, Linear, kDevices, device_name);
INSTANTIATE_TEST_SUITE_P(Layers, Norms, kDevices, device_name);
INSTANTIATE_TEST_SUITE_P(Layers, RotaryEmbedding, kDevices, device_name);

}  // namespace
}  // namespace lvx::testing
