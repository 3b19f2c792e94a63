// SPDX-License-Identifier: Apache-2.0
// Copies between tensors of one device.
#include <algorithm>

#include "abi/device_id.h"
#include "abi/error.h"
#include "abi/objects.h"
#include "abi/overlap.h"

using namespace lvx;

namespace {

// [..., rows, heads, dim] with as many dimensions of 1 in front as are missing.
Bshd widened(const CheckedTensor& tensor) {
  const auto missing = static_cast<std::size_t>(kMaxDims - tensor.ndim);
  const auto extent = [&](std::size_t dim) { return dim < missing ? 1 : tensor.shape[dim - missing]; };
  const auto stride = [&](std::size_t dim) { return dim < missing ? 0 : tensor.strides[dim - missing]; };
  return {tensor.data, tensor.dtype, extent(0), extent(1), extent(2),
          extent(3),   stride(0),    stride(1), stride(2)};
}

}  // namespace

lvx_status lvx_tensor_copy(lvx_device device, const lvx_tensor* from, const lvx_tensor* to) {
  return guard([&] {
    const auto object = find_handle<DeviceObject>(device);
    const DeviceId device_id = device_id_of(*object->device);
    const int ndim = from == nullptr ? 1 : std::clamp(from->ndim, 1, kMaxDims);
    const CheckedTensor source = check_tensor(from, "from", ndim, "(1 to 4)", device_id);
    const CheckedTensor target = check_tensor(to, "to", ndim, "like from", device_id);
    require_shape(target, std::span(source.shape).first(static_cast<std::size_t>(ndim)), "like from");
    for (const CheckedTensor* each : {&source, &target}) {
      require_dtype(*each, {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16}, "to copy");
    }
    require_separate({&target}, {&source});
    if (source.empty()) return;
    const InUse use(object->busy, "device");
    object->device->copy(widened(source), widened(target));
  });
}
