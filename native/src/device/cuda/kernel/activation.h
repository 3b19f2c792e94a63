// SPDX-License-Identifier: Apache-2.0
// SwiGLU (arXiv 2002.05202) and GELU (arXiv 1606.08415), element by element, computed in T.
#pragma once

#include "device/cuda/collective/layer_rows.h"
#include "device/cuda/kernel/layer_params.h"

namespace lvx::cuda {

template <typename T>
class SwigluForward {
 public:
  using Params = SwigluParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    for_elements(p.y, [&](std::int64_t item, std::int64_t row, std::int64_t column) {
      const T gate = load_as<T>(p.gate, item, row, column);
      store_as<T>(gate * sigmoid(gate) * load_as<T>(p.up, item, row, column), p.y, item, row, column);
    });
  }
};

template <typename T>
class SwigluBackward {
 public:
  using Params = SwigluBackwardParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    for_elements(p.dy, [&](std::int64_t item, std::int64_t row, std::int64_t column) {
      const T gate = load_as<T>(p.gate, item, row, column);
      const T up = load_as<T>(p.up, item, row, column);
      const T dy = load_as<T>(p.dy, item, row, column);
      const T s = sigmoid(gate);
      store_as<T>(dy * up * (s * (T{1} + gate * (T{1} - s))), p.dgate, item, row, column);
      store_as<T>(dy * gate * s, p.dup, item, row, column);
    });
  }
};

// The cumulative normal distribution function; erfc keeps precision if the result is small.
template <typename T>
LVX_GPU T phi_below(T x) {
  return static_cast<T>(0.5) * error_complement(x * static_cast<T>(-0.70710678118654752440));
}
template <typename T>
LVX_GPU T phi_density(T x) {
  return static_cast<T>(0.39894228040143267794) * exponential(static_cast<T>(-0.5) * x * x);
}

template <typename T>
class GeluForward {
 public:
  using Params = GeluParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    for_elements(p.y, [&](std::int64_t item, std::int64_t row, std::int64_t column) {
      const T x = load_as<T>(p.x, item, row, column);
      store_as<T>(x * phi_below(x), p.y, item, row, column);
    });
  }
};

template <typename T>
class GeluBackward {
 public:
  using Params = GeluBackwardParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    for_elements(p.dy, [&](std::int64_t item, std::int64_t row, std::int64_t column) {
      const T x = load_as<T>(p.x, item, row, column);
      const T dy = load_as<T>(p.dy, item, row, column);
      store_as<T>(dy * (phi_below(x) + x * phi_density(x)), p.dx, item, row, column);
    });
  }
};

}  // namespace lvx::cuda
