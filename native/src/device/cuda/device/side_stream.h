// SPDX-License-Identifier: Apache-2.0
// Communication beside computation: a second stream, ordered against the device's by events.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

#include "device/device.h"

namespace lvx::cuda {

// Of the current GPU.
std::unique_ptr<SideStream> make_side_stream(int ordinal, cudaStream_t device_stream);

}  // namespace lvx::cuda
