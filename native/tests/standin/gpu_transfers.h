// SPDX-License-Identifier: Apache-2.0
// What the stand-in for NCCL must know of the stand-in for CUDA, another library: how a transfer takes its turn on a
// stream, and where its bytes lie on the host.
#pragma once

#include <cstddef>

namespace lvx::test {

struct GpuTransfers {
  void* (*begin)(void* stream);  // takes its place on the stream
  bool (*reached)(void* turn);   // whether all that was put there before is done
  void (*end)(void* turn);       // lets the stream go on
  std::byte* (*find)(const void* data, std::size_t bytes);
};

}  // namespace lvx::test
