// SPDX-License-Identifier: Apache-2.0
// Tests that hold for every device. A program that has devices includes the contracts and instantiates them for its own.
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
  // All that a test took is given back in the end.
  void TearDown() override { EXPECT_EQ(device->bytes_in_use(), 0u); }

  const std::unique_ptr<Device> device = GetParam().make();
};

inline std::string device_name(const ::testing::TestParamInfo<NamedDevice>& info) { return info.param.name; }

}  // namespace lvx::testing
