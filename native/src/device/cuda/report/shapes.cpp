// SPDX-License-Identifier: Apache-2.0
// Prints properties of the tensor-core kernels that compilers do not report, one kernel per line:
// "KERNEL HEAD_DIM THREADS SHARED_BYTES".
#include <cstdio>

#include "device/cuda/kernel/backward_keys.h"
#include "device/cuda/kernel/backward_queries.h"
#include "device/cuda/kernel/forward.h"

namespace lvx::cuda {
namespace {

template <typename Kernel>
void print(const char* name, int dim) {
  std::printf("%s %d %d %d\n", name, dim, Kernel::kThreads, Kernel::kSharedBytes);
}

template <int kDim>
void print_forward() {
  print<Forward<BFloat16, kDim, false>>("forward", kDim);
  print<Forward<BFloat16, kDim, true>>("decode", kDim);
}
template <int kDim>
void print_backward() {
  print<BackwardQueries<BFloat16, kDim>>("backward_queries", kDim);
  print<BackwardKeys<BFloat16, kDim>>("backward_keys", kDim);
}

}  // namespace
}  // namespace lvx::cuda

int main() {
  using namespace lvx::cuda;
  print_forward<64>();
  print_forward<80>();
  print_forward<96>();
  print_forward<128>();
  print_forward<256>();
  print_backward<64>();
  print_backward<96>();
  print_backward<128>();
  print_backward<256>();
}
