// SPDX-License-Identifier: Apache-2.0
// Tests that every device must pass. A test program includes the contracts and instantiates them for its devices.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "device/device.h"

namespace lvx::testing {

struct NamedDevice {
  std::string name;
  std::unique_ptr<Device> (*make)();
};

class DeviceContract : public ::testing::TestWithParam<NamedDevice> {
 protected:
  // Every test releases all memory that it allocated.
  void TearDown() override { EXPECT_EQ(device->bytes_in_use(), 0u); }

  const std::unique_ptr<Device> device = GetParam().make();
};

inline std::string device_name(const ::testing::TestParamInfo<NamedDevice>& info) { return info.param.name; }

}  // namespace lvx::testing
