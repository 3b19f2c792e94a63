// SPDX-License-Identifier: Apache-2.0
#include "abi/tensor_check.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "abi/structs.h"

namespace lvx {
namespace {

// More than a machine can address; smaller sizes can be multiplied and added in 64 bits.
constexpr std::int64_t kLargestSpan = std::int64_t{1} << 48;

[[noreturn]] void reject(const char* name, const std::string& what) {
  throw ArgumentError(LVX_INVALID_ARGUMENT, name, what);
}

std::string text_of(std::span<const std::int64_t> values) {
  std::string text = "[";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(values[i]);
  }
  return text + "]";
}

std::span<const std::int64_t> shape_of(const CheckedTensor& tensor) {
  return std::span(tensor.shape).first(static_cast<std::size_t>(tensor.ndim));
}

DType dtype_of(const lvx_dl_dtype& dtype, const char* name) {
  if (dtype.lanes != 1) reject(name, "expected dtype lanes 1, got " + std::to_string(dtype.lanes));
  if (dtype.code == LVX_FLOAT && dtype.bits == 64) return DType::kFloat64;
  if (dtype.code == LVX_FLOAT && dtype.bits == 32) return DType::kFloat32;
  if (dtype.code == LVX_FLOAT && dtype.bits == 16) return DType::kFloat16;
  if (dtype.code == LVX_BFLOAT && dtype.bits == 16) return DType::kBFloat16;
  if (dtype.code == LVX_INT && dtype.bits == 32) return DType::kInt32;
  reject(name, "expected a dtype of float64, float32, bfloat16, float16 or int32, got code " +
                   std::to_string(dtype.code) + " with " + std::to_string(dtype.bits) + " bits");
}

std::string text_of(const DeviceId& device_id) {
  const std::string kind = device_id.kind == LVX_CPU    ? "CPU"
                           : device_id.kind == LVX_CUDA ? "CUDA"
                                                        : "kind " + std::to_string(device_id.kind);
  return kind + " device " + std::to_string(device_id.ordinal);
}

// Whose kernels use memory of this kind.
std::int32_t computing_kind(std::int32_t memory) {
  return memory == LVX_CUDA_HOST ? LVX_CPU : memory == LVX_CUDA_MANAGED ? LVX_CUDA : memory;
}

// Extents of 0 count as 1, so that the sizes of empty tensors are bounded too.
void check_shape(CheckedTensor& tensor, const std::int64_t* shape) {
  std::int64_t bytes = size_of(tensor.dtype);
  for (int dim = 0; dim < tensor.ndim; ++dim) {
    const std::int64_t extent = shape[dim];
    tensor.shape[static_cast<std::size_t>(dim)] = extent;
    if (extent < 0) {
      reject(tensor.name, "expected a shape without negative numbers, got " +
                              text_of(std::span(shape, static_cast<std::size_t>(tensor.ndim))));
    }
    if (extent > 0 && (__builtin_mul_overflow(bytes, extent, &bytes) || bytes > kLargestSpan)) {
      reject(tensor.name, "expected a shape of at most 2^48 bytes, got " +
                              text_of(std::span(shape, static_cast<std::size_t>(tensor.ndim))) + " of " +
                              name_of(tensor.dtype));
    }
  }
}

// Fills in the strides and returns how many bytes lie between the first byte and the end.
std::int64_t check_strides(CheckedTensor& tensor, const std::int64_t* strides) {
  std::int64_t compact = 1;  // the stride that a compact tensor would have
  std::int64_t span = 1;     // of the dimensions so far, in elements
  const bool empty = tensor.empty();
  for (int dim = tensor.ndim - 1; dim >= 0; --dim) {
    const auto i = static_cast<std::size_t>(dim);
    const std::int64_t extent = tensor.shape[i];
    const std::int64_t given = strides == nullptr ? compact : strides[i];
    const auto got = [&] {
      return "got " + text_of(std::span(strides, static_cast<std::size_t>(tensor.ndim))) + " for shape " +
             text_of(shape_of(tensor));
    };
    if (given < 0) reject(tensor.name, "expected strides without negative numbers, " + got());
    if (dim == tensor.ndim - 1 && extent > 1 && given != 1) {
      reject(tensor.name, "expected a contiguous last dimension (stride 1), " + got());
    }
    tensor.strides[i] = empty || extent <= 1 ? compact : given;
    std::int64_t reach = 0;
    if (!empty && extent > 1 &&
        (__builtin_mul_overflow(extent - 1, given, &reach) || __builtin_add_overflow(span, reach, &span) ||
         span > kLargestSpan / size_of(tensor.dtype))) {
      reject(tensor.name, "expected strides that span at most 2^48 bytes, " + got());
    }
    compact =
        empty ? compact * std::max<std::int64_t>(extent, 1) : std::max(compact, tensor.strides[i] * extent);
  }
  return span * size_of(tensor.dtype);
}

void check_address(CheckedTensor& tensor, const lvx_tensor& given, std::int64_t span) {
  if (tensor.empty()) {
    alignas(64) static std::byte nowhere[64];
    tensor.data = nowhere;
    return;
  }
  if (given.data == nullptr) {
    reject(tensor.name, "expected data, got null for shape " + text_of(shape_of(tensor)));
  }
  std::uintptr_t address = 0;
  std::uintptr_t end = 0;
  if (__builtin_add_overflow(reinterpret_cast<std::uintptr_t>(given.data), given.byte_offset, &address) ||
      __builtin_add_overflow(address, static_cast<std::uintptr_t>(span), &end)) {
    reject(tensor.name, "expected data inside the address space, got byte_offset " +
                            std::to_string(given.byte_offset) + " and " + std::to_string(span) + " bytes");
  }
  if (address % static_cast<std::uintptr_t>(size_of(tensor.dtype)) != 0) {
    reject(tensor.name, "expected data plus byte_offset aligned to " + std::to_string(size_of(tensor.dtype)) +
                            " bytes, the size of " + name_of(tensor.dtype) + ", got remainder " +
                            std::to_string(address % static_cast<std::uintptr_t>(size_of(tensor.dtype))));
  }
  tensor.data = static_cast<std::byte*>(given.data) + given.byte_offset;
}

}  // namespace

bool CheckedTensor::empty() const {
  return std::any_of(shape.begin(), shape.begin() + ndim, [](std::int64_t extent) { return extent == 0; });
}

std::int64_t CheckedTensor::elements() const {
  std::int64_t product = 1;
  for (int dim = 0; dim < ndim; ++dim) product *= shape[static_cast<std::size_t>(dim)];
  return product;
}

CheckedTensor check_tensor(const lvx_tensor* tensor, const char* name, int ndim, const char* dims,
                           const DeviceId& device_id) {
  if (tensor == nullptr) reject(name, std::string("expected a tensor ") + dims + ", got null");
  if (tensor->ndim != ndim) {
    reject(name, "expected " + std::to_string(ndim) + " dimensions " + dims + ", got " +
                     std::to_string(tensor->ndim));
  }
  if (tensor->shape == nullptr) reject(name, std::string("expected a shape ") + dims + ", got null");
  const DeviceId got{computing_kind(tensor->device.device_type), tensor->device.device_id};
  if (got.kind != device_id.kind || got.ordinal != device_id.ordinal) {
    reject(name, "expected a tensor on " + text_of(device_id) + ", got one on " + text_of(got));
  }
  CheckedTensor checked;
  checked.name = name;
  checked.ndim = ndim;
  checked.dtype = dtype_of(tensor->dtype, name);
  check_shape(checked, tensor->shape);
  const std::int64_t span = check_strides(checked, tensor->strides);
  check_address(checked, *tensor, span);
  return checked;
}

void require_dtype(const CheckedTensor& tensor, std::initializer_list<DType> expected, const char* why) {
  if (std::find(expected.begin(), expected.end(), tensor.dtype) != expected.end()) return;
  std::string names;
  for (const DType dtype : expected) names += (names.empty() ? "" : " or ") + std::string(name_of(dtype));
  reject(tensor.name, "expected dtype " + names + " " + why + ", got " + name_of(tensor.dtype));
}

void require_shape(const CheckedTensor& tensor, std::span<const std::int64_t> expected, const char* why) {
  if (std::ranges::equal(shape_of(tensor), expected)) return;
  reject(tensor.name,
         "expected shape " + text_of(expected) + " " + why + ", got " + text_of(shape_of(tensor)));
}

Bshd bshd_of(const CheckedTensor& tensor) {
  return {tensor.data,     tensor.dtype,      tensor.shape[0],   tensor.shape[1],  tensor.shape[2],
          tensor.shape[3], tensor.strides[0], tensor.strides[1], tensor.strides[2]};
}

Bhs bhs_of(const CheckedTensor& tensor) {
  return {tensor.data,     tensor.dtype,      tensor.shape[0],  tensor.shape[1],
          tensor.shape[2], tensor.strides[0], tensor.strides[1]};
}

Visibility visibility_of(const CheckedTensor& tensor) {
  return {reinterpret_cast<const std::int32_t*>(tensor.data),
          tensor.shape[0],
          tensor.shape[1],
          tensor.shape[2],
          tensor.strides[0],
          tensor.strides[1],
          tensor.strides[2]};
}

Bias bias_of(const CheckedTensor& tensor) {
  const auto stride = [&](std::size_t dim) { return tensor.shape[dim] == 1 ? 0 : tensor.strides[dim]; };
  return {tensor.data,     tensor.dtype, tensor.shape[0], tensor.shape[1], tensor.shape[2],
          tensor.shape[3], stride(0),    stride(1),       stride(2)};
}

namespace {

struct RangeIndex {
  std::int64_t batch, query, range;
};

// before: where the ranges before it end.
[[noreturn]] void reject_range(const CheckedTensor& visibility, const RangeIndex& at,
                               const std::int32_t* bounds, std::int32_t before) {
  const std::string got = "got [" + std::to_string(bounds[0]) + ", " + std::to_string(bounds[1]) + ")";
  const std::string where = " in batch " + std::to_string(at.batch) + ", query " + std::to_string(at.query) +
                            ", range " + std::to_string(at.range);
  reject(visibility.name, bounds[0] > bounds[1]
                              ? "expected ranges that end where they begin or later, " + got + where
                              : "expected ranges from 0 up, ascending and disjoint, " + got + " after " +
                                    std::to_string(before) + where);
}

}  // namespace

void check_ranges(const CheckedTensor& visibility) {
  const Visibility view = visibility_of(visibility);
  if (visibility.empty()) return;
  for (std::int64_t batch = 0; batch < view.batch; ++batch) {
    for (std::int64_t query = 0; query < view.rows; ++query) {
      std::int32_t end = 0;
      for (std::int64_t range = 0; range < view.ranges; ++range) {
        const std::int32_t* bounds = view.at(batch, query) + range * view.range_stride;
        if (bounds[0] == bounds[1]) continue;
        if (bounds[0] > bounds[1] || bounds[0] < end)
          reject_range(visibility, {batch, query, range}, bounds, end);
        end = bounds[1];
      }
    }
  }
}

}  // namespace lvx
