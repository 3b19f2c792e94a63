// SPDX-License-Identifier: Apache-2.0
// A second stream for communication, synchronised with the device's stream by events.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

#include "device/side_stream.h"

namespace lvx::cuda {

// Creates a stream of the current GPU.
std::unique_ptr<SideStream> make_side_stream(int ordinal, cudaStream_t device_stream);

}  // namespace lvx::cuda
