// SPDX-License-Identifier: Apache-2.0
// Gates that join a branch with the residual stream, elementwise, computed in T. In rows that are not live, the second tensor
// is ignored and may hold NaN.
#pragma once

#include "device/cuda/collective/layer_rows.h"
#include "device/cuda/kernel/layer_params.h"

namespace lvx::cuda {

// The factor of a branch; 1 if there is no gate.
template <typename T>
LVX_GPU T factor_of(const Parameter& gate) {
  return gate.data == nullptr ? T{1} : hyperbolic_tangent(load_as<T>(gate.data, gate.dtype, 0));
}

template <typename T>
class GatedAddForward {
 public:
  using Params = GatedAddParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    const T factor = factor_of<T>(p.gate);
    for_elements(p.y, [&](std::int64_t item, std::int64_t row, std::int64_t column) {
      T y = load_as<T>(p.x, item, row, column);
      if (is_live(p.live, item, row)) y += factor * load_as<T>(p.branch, item, row, column);
      store_as<T>(y, p.y, item, row, column);
    });
  }
};

template <typename T>
class GatedAddBackward {
 public:
  using Params = GatedAddBackwardParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    const T factor = factor_of<T>(p.gate);
    for_elements(p.dy, [&](std::int64_t item, std::int64_t row, std::int64_t column) {
      const T d = is_live(p.live, item, row) ? factor * load_as<T>(p.dy, item, row, column) : T{0};
      store_as<T>(d, p.dbranch, item, row, column);
    });
  }
};

template <typename T>
class BlendForward {
 public:
  using Params = BlendParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    for_elements(p.y, [&](std::int64_t item, std::int64_t row, std::int64_t column) {
      T y = load_as<T>(p.a, item, row, column);
      if (is_live(p.live, item, row)) {
        const T share = sigmoid(load_as<T>(p.gate, column, T{0}));
        y += share * (load_as<T>(p.b, item, row, column) - y);
      }
      store_as<T>(y, p.y, item, row, column);
    });
  }
};

template <typename T>
class BlendBackward {
 public:
  using Params = BlendBackwardParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    for_elements(p.dy, [&](std::int64_t item, std::int64_t row, std::int64_t column) {
      const T dy = load_as<T>(p.dy, item, row, column);
      const T db = is_live(p.live, item, row) ? sigmoid(load_as<T>(p.gate, column, T{0})) * dy : T{0};
      store_as<T>(dy - db, p.da, item, row, column);
      store_as<T>(db, p.db, item, row, column);
    });
  }
};

template <typename T>
class ClearRows {
 public:
  using Params = ClearRowsParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    for_elements(p.x, [&](std::int64_t item, std::int64_t row, std::int64_t column) {
      if (p.all || !is_live(p.live, item, row)) store_as<T>(T{0}, p.x, item, row, column);
    });
  }
};

}  // namespace lvx::cuda
