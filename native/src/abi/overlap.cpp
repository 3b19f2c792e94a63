// SPDX-License-Identifier: Apache-2.0
#include "abi/overlap.h"

#include <algorithm>
#include <cstdint>
#include <string>

namespace lvx {
namespace {

struct Dimension {
  std::int64_t stride;  // in bytes
  std::int64_t extent;
};

// The memory of a tensor that has elements: its dimensions of more than one, by ascending stride.
struct Footprint {
  std::int64_t item;
  std::array<Dimension, kMaxDims> dims{};
  int count = 0;

  explicit Footprint(const CheckedTensor& tensor) : item(size_of(tensor.dtype)) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.ndim); ++i) {
      if (tensor.shape[i] > 1)
        dims[static_cast<std::size_t>(count++)] = {tensor.strides[i] * item, tensor.shape[i]};
    }
    std::sort(dims.begin(), dims.begin() + count,
              [](const Dimension& a, const Dimension& b) { return a.stride < b.stride; });
  }

  std::span<const Dimension> nested() const { return std::span(dims).first(static_cast<std::size_t>(count)); }

  // Bytes from the first to the end of the last of the elements that dimensions of strides below limit reach.
  std::int64_t span_below(std::int64_t limit) const {
    std::int64_t span = item;
    for (const Dimension& dim : nested()) {
      if (dim.stride < limit) span += dim.stride * (dim.extent - 1);
    }
    return span;
  }

  // Whether dimensions of strides from period on do not change an address modulo period.
  bool repeats_by(std::int64_t period) const {
    return std::ranges::all_of(
        nested(), [&](const Dimension& dim) { return dim.stride < period || dim.stride % period == 0; });
  }
};

std::uintptr_t address_of(const CheckedTensor& tensor) {
  return reinterpret_cast<std::uintptr_t>(tensor.data);
}

// Modulo the period, each tensor is one run of bytes on a circle; if the runs do not meet, neither do the
// tensors.
bool apart_modulo(std::int64_t period, const CheckedTensor& a, const Footprint& of_a, const CheckedTensor& b,
                  const Footprint& of_b) {
  if (period <= 0 || !of_a.repeats_by(period) || !of_b.repeats_by(period)) return false;
  const auto circle = static_cast<std::uintptr_t>(period);
  const std::uintptr_t start_a = address_of(a) % circle;
  const std::uintptr_t start_b = address_of(b) % circle;
  const auto from_a_to_b = static_cast<std::int64_t>((start_b + circle - start_a) % circle);
  const auto from_b_to_a = static_cast<std::int64_t>((start_a + circle - start_b) % circle);
  return from_a_to_b >= of_a.span_below(period) && from_b_to_a >= of_b.span_below(period);
}

}  // namespace

bool overlaps_itself(const CheckedTensor& tensor) {
  if (tensor.empty()) return false;
  const Footprint footprint(tensor);
  std::int64_t span = footprint.item;
  for (const Dimension& dim : footprint.nested()) {
    if (dim.stride < span) return true;
    span += dim.stride * (dim.extent - 1);
  }
  return false;
}

bool may_overlap(const CheckedTensor& a, const CheckedTensor& b) {
  if (a.empty() || b.empty()) return false;
  const Footprint of_a(a);
  const Footprint of_b(b);
  const auto end = [](const CheckedTensor& tensor, const Footprint& footprint) {
    return address_of(tensor) + static_cast<std::uintptr_t>(footprint.span_below(INT64_MAX));
  };
  if (end(a, of_a) <= address_of(b) || end(b, of_b) <= address_of(a)) return false;
  for (const Footprint* footprint : {&of_a, &of_b}) {
    for (const Dimension& dim : footprint->nested()) {
      if (apart_modulo(dim.stride, a, of_a, b, of_b)) return false;
    }
  }
  return true;
}

void require_separate(TensorPointers outputs, TensorPointers inputs) {
  const auto reject_pair = [](const CheckedTensor* output, const CheckedTensor* other) {
    if (other == nullptr || !may_overlap(*output, *other)) return;
    throw ArgumentError(LVX_INVALID_ARGUMENT, output->name,
                        std::string("expected memory of its own, got an overlap with ") + other->name);
  };
  for (auto output = outputs.begin(); output != outputs.end(); ++output) {
    if (*output == nullptr) continue;
    if (overlaps_itself(**output)) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, (*output)->name,
                          "expected an output whose elements lie apart, got strides by which it "
                          "overlaps itself");
    }
    for (const CheckedTensor* input : inputs) reject_pair(*output, input);
    for (auto other = outputs.begin(); other != output; ++other) reject_pair(*output, *other);
  }
}

}  // namespace lvx
