// SPDX-License-Identifier: Apache-2.0
// The functions of the stand-in for CUDA that the stand-in for NCCL, a separate library, needs: to order a transfer on a stream,
// and to find the host address of its bytes.
#pragma once

#include <cstddef>

namespace lvx::test {

struct GpuTransfers {
  void* (*begin)(void* stream);  // enqueues the transfer; returns its turn
  bool (*reached)(void* turn);   // whether all earlier work on the stream is complete
  void (*end)(void* turn);       // completes the transfer, so that later work can run
  std::byte* (*find)(const void* data, std::size_t bytes);
};

}  // namespace lvx::test
