// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "device/device.h"

namespace lvx {

struct CpuOptions {
  int threads = 0;                // 0: all CPUs that this process may use
  std::size_t memory_budget = 0;  // 0: no limit
};

std::unique_ptr<Device> make_cpu_device(const CpuOptions& options);

}  // namespace lvx
