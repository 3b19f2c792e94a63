// SPDX-License-Identifier: Apache-2.0
// Rates of this machine, to compare kernels with.
#include "abi/error.h"
#include "abi/objects.h"
#include "abi/structs.h"

using namespace lvx;

lvx_status lvx_probe_gemm(lvx_device device, int64_t n, double* seconds) {
  return guard([&] {
    require_not_null(seconds, "seconds");
    if (n < 1 || n > 16384)
      throw ArgumentError(LVX_INVALID_ARGUMENT, "n", "expected 1 to 16384, got " + std::to_string(n));
    const auto object = find_handle<DeviceObject>(device);
    const InUse use(object->busy, "device");
    *seconds = object->device->probe_gemm(n);
  });
}

lvx_status lvx_probe_read(lvx_device device, uint64_t bytes, double* seconds) {
  return guard([&] {
    require_not_null(seconds, "seconds");
    if (bytes < 1 || bytes > PTRDIFF_MAX) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "bytes",
                          "expected 1 to 2^63 - 1, got " + std::to_string(bytes));
    }
    const auto object = find_handle<DeviceObject>(device);
    const InUse use(object->busy, "device");
    *seconds = object->device->probe_read(bytes);
  });
}
