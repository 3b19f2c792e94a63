// SPDX-License-Identifier: Apache-2.0
// Attention problems for tests: tensors of any dtype and stride in memory whose gaps hold NaN, the oracle's results for the
// same (rounded) inputs, and the project's error measure.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "attention/elements.h"
#include "attention/reference.h"
#include "device/device.h"
#include "support/seed.h"

namespace lvx::testing {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The padding of a tensor in memory: after each row of the last dimension, and before the first element.
struct Padding {
  std::int64_t offset = 0;
  std::int64_t gap = 0;
};

// Memory that is aligned to a cache line, like a device's.
template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};

  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
  void deallocate(T* data, std::size_t) { ::operator delete(data, kLine); }
  bool operator==(const LineAllocator&) const { return true; }
};
using Bytes = std::vector<std::byte, LineAllocator<std::byte>>;

class Array {
 public:
  Array(std::vector<std::int64_t> shape, DType dtype, Padding padding = {})
      : shape_(std::move(shape)), strides_(shape_.size()), dtype_(dtype), offset_(padding.offset) {
    std::int64_t stride = 1;
    for (std::size_t i = shape_.size(); i-- > 0;) {
      strides_[i] = stride;
      stride *= shape_[i];
      if (i + 1 == shape_.size()) stride += padding.gap;
    }
    memory_.resize(static_cast<std::size_t>((offset_ + stride) * size_of(dtype)));
    for (std::int64_t i = 0; i < offset_ + stride; ++i) store_element(std::nan(""), memory_.data(), dtype, i);
  }

  // Elements are indexed in row-major order, independent of the strides.
  std::int64_t count() const {
    std::int64_t n = 1;
    for (const std::int64_t extent : shape_) n *= extent;
    return n;
  }
  double get(std::int64_t i) const {
    return load_element<double>(memory_.data(), dtype_, offset_ + place(i));
  }
  void set(std::int64_t i, double x) { store_element(x, memory_.data(), dtype_, offset_ + place(i)); }
  void fill(double x) {
    for (std::int64_t i = 0; i < count(); ++i) set(i, x);
  }
  std::int64_t extent(std::size_t i) const { return shape_[i]; }
  DType dtype() const { return dtype_; }
  const Bytes& memory() const { return memory_; }
  bool gaps_untouched() const {
    std::vector<bool> used(memory_.size() / static_cast<std::size_t>(size_of(dtype_)), false);
    for (std::int64_t i = 0; i < count(); ++i) used[static_cast<std::size_t>(offset_ + place(i))] = true;
    for (std::size_t i = 0; i < used.size(); ++i) {
      const double x = load_element<double>(memory_.data(), dtype_, static_cast<std::int64_t>(i));
      if (!used[i] && !std::isnan(x)) return false;
    }
    return true;
  }

  Bshd bshd() {
    const std::int64_t dim = shape_.size() > 3 ? shape_[3] : 1;
    return {data(), dtype_, shape_[0], shape_[1], shape_[2], dim, strides_[0], strides_[1], strides_[2]};
  }
  Bhs bhs() {
    const std::int64_t rows = shape_.size() > 2 ? shape_[2] : 1;
    return {data(), dtype_, shape_[0], shape_[1], rows, strides_[0], strides_[1]};
  }
  Bias bias() {
    const auto stride = [this](std::size_t i) { return shape_[i] == 1 ? 0 : strides_[i]; };
    return {data(), dtype_, shape_[0], shape_[1], shape_[2], shape_[3], stride(0), stride(1), stride(2)};
  }

 private:
  std::byte* data() { return memory_.data() + offset_ * size_of(dtype_); }
  std::int64_t place(std::int64_t i) const {
    std::int64_t at = 0;
    for (std::size_t d = shape_.size(); d-- > 0;) {
      at += i % shape_[d] * strides_[d];
      i /= shape_[d];
    }
    return at;
  }

  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
  DType dtype_;
  std::int64_t offset_;
  Bytes memory_;
};

struct Ranges {
  std::int64_t ranges = 0;
  std::vector<std::int32_t> bounds;  // [batch, query, range, 2]
};

struct Case {
  ProblemShape shape;
  DType dtype = DType::kFloat32;
  Padding padding;
  Array q, k, v, d_o;
  std::optional<Ranges> visibility;
  std::optional<Array> bias;

  Case(const ProblemShape& p, DType type, unsigned seed, Padding pad = {})
      : shape(p),
        dtype(type),
        padding(pad),
        q({p.batch, p.queries, p.query_heads, p.head_dim}, type, pad),
        k({p.batch, p.keys, p.key_heads, p.head_dim}, type, pad),
        v({p.batch, p.keys, p.key_heads, p.head_dim}, type, pad),
        d_o({p.batch, p.queries, p.query_heads, p.head_dim}, type, pad) {
    std::mt19937 random(test::seeded(seed));
    for (Array* x : {&q, &k, &v, &d_o}) randomize(*x, random);
  }

  static void randomize(Array& x, std::mt19937& random, double sigma = 1) {
    std::normal_distribution<double> normal(0, sigma);
    for (std::int64_t i = 0; i < x.count(); ++i) x.set(i, normal(random));
  }

  Visibility visible() const {
    if (!visibility) return {};
    return compact_visibility(visibility->bounds.data(), shape.batch, shape.queries, visibility->ranges);
  }
  Bias bias_view() { return bias ? bias->bias() : Bias{}; }
};

struct Forward {
  Array o, lse;
  std::optional<Array> bias_max, rest;  // the terms of lse, if there is a bias

  LseTerms terms() { return bias_max ? LseTerms{bias_max->bhs(), rest->bhs()} : LseTerms{}; }
};
struct Backward {
  Array delta, dq, dk, dv;
  std::optional<Array> d_bias;
};

inline Forward empty_forward(const ProblemShape& p, DType o, DType lse, Padding padding = {}) {
  return {Array({p.batch, p.queries, p.query_heads, p.head_dim}, o, padding),
          Array({p.batch, p.query_heads, p.queries}, lse), std::nullopt, std::nullopt};
}

// The same for a problem that may have a bias.
inline Forward empty_forward(const Case& c, DType o, DType lse, Padding padding = {}) {
  Forward result = empty_forward(c.shape, o, lse, padding);
  if (c.bias) {
    result.bias_max = result.lse;
    result.rest = result.lse;
  }
  return result;
}

inline Backward empty_backward(const ProblemShape& p, DType dtype, const std::optional<Array>& bias,
                               Padding padding = {}) {
  Backward result{Array({p.batch, p.query_heads, p.queries}, accumulator_of(dtype)),
                  Array({p.batch, p.queries, p.query_heads, p.head_dim}, dtype, padding),
                  Array({p.batch, p.keys, p.key_heads, p.head_dim}, dtype, padding),
                  Array({p.batch, p.keys, p.key_heads, p.head_dim}, dtype, padding), std::nullopt};
  if (bias) {
    result.d_bias.emplace(
        std::vector<std::int64_t>{bias->extent(0), bias->extent(1), bias->extent(2), p.keys},
        accumulator_of(dtype));
    result.d_bias->fill(0);
  }
  return result;
}

inline Forward oracle_forward(Case& c) {
  Forward result = empty_forward(c, DType::kFloat64, DType::kFloat64);
  reference_forward({c.shape, c.q.bshd(), c.k.bshd(), c.v.bshd(), c.visible(), c.bias_view(), result.o.bshd(),
                     result.lse.bhs(), result.terms()});
  return result;
}

inline Backward oracle_backward(Case& c, Forward& forward) {
  Backward result = empty_backward(c.shape, DType::kFloat64, c.bias);
  reference_backward({c.shape, c.q.bshd(), c.k.bshd(), c.v.bshd(), forward.o.bshd(), c.d_o.bshd(),
                      forward.lse.bhs(), c.visible(), c.bias_view(), result.dq.bshd(), result.dk.bshd(),
                      result.dv.bshd(), result.d_bias ? result.d_bias->bias() : Bias{}, forward.terms()});
  return result;
}

inline Forward device_forward(Device& device, Case& c) {
  Forward result = empty_forward(c, c.dtype, accumulator_of(c.dtype), c.padding);
  const LseTerms terms = result.terms();
  const DeviceMemory scratch(device, device.forward_scratch(c.shape, c.dtype));
  device.forward({c.shape,
                  c.q.bshd(),
                  c.k.bshd(),
                  c.v.bshd(),
                  c.visible(),
                  c.bias_view(),
                  {result.o.bshd(), terms.none() ? result.lse.bhs() : terms.rest, terms.bias_max},
                  false},
                 {scratch.data(), scratch.bytes()});
  if (!terms.none()) device.sum(terms.bias_max, terms.rest, result.lse.bhs());
  return result;
}

inline Backward device_backward(Device& device, Case& c, Forward& forward) {
  Backward result = empty_backward(c.shape, c.dtype, c.bias, c.padding);
  device.delta(forward.o.bshd(), c.d_o.bshd(), result.delta.bhs());
  const DeviceMemory scratch(device, device.backward_scratch(c.shape, c.dtype));
  const LseTerms terms = forward.terms();
  device.backward({c.shape, c.q.bshd(), c.k.bshd(), c.v.bshd(), c.d_o.bshd(),
                   terms.none() ? forward.lse.bhs() : terms.rest, result.delta.bhs(), c.visible(),
                   c.bias_view(), result.dq.bshd(), result.dk.bshd(), result.dv.bshd(),
                   result.d_bias ? result.d_bias->bias() : Bias{}, false, false, terms.bias_max},
                  {scratch.data(), scratch.bytes()});
  return result;
}

// max |x - ref| / max |ref| over finite entries; absolute where max |ref| < 1e-6; infinity for a misplaced infinity
// or any NaN.
inline double error_of(const Array& x, const Array& ref) {
  double largest = 0;
  double difference = 0;
  for (std::int64_t i = 0; i < ref.count(); ++i) {
    const double a = x.get(i);
    const double b = ref.get(i);
    if (std::isnan(a) || std::isinf(a) != std::isinf(b) || (std::isinf(b) && a != b)) return kInfinity;
    if (std::isinf(b)) continue;
    largest = std::max(largest, std::abs(b));
    difference = std::max(difference, std::abs(a - b));
  }
  return largest < 1e-6 ? difference : difference / largest;
}

// The numeric contract: bounds on the error of o, of gradients and of lse.
struct Bounds {
  double o, gradients, lse;
};

inline Bounds bounds_of(DType dtype) {
  switch (dtype) {
    case DType::kBFloat16:
      return {6e-3, 1.6e-2, 1e-4};
    case DType::kFloat16:
      return {8e-4, 2e-3, 1e-4};
    case DType::kFloat32:
      return {5e-6, 5e-6, 5e-6};
    default:
      return {1e-12, 1e-12, 1e-12};
  }
}

}  // namespace lvx::testing
