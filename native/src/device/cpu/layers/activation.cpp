// SPDX-License-Identifier: Apache-2.0
// SwiGLU (arXiv 2002.05202) and GELU (arXiv 1606.08415).
#include "device/cpu/layers/activation.h"

#include <cmath>
#include <numbers>

#include "device/cpu/layers/elements_of_rows.h"

namespace lvx::cpu {
namespace {

template <typename T>
T sigmoid(T x) {
  return T{1} / (T{1} + std::exp(-x));
}

// The cumulative normal distribution function; erfc keeps precision if the result is small.
template <typename T>
T phi_below(T x) {
  return T{0.5} * std::erfc(-x / std::numbers::sqrt2_v<T>);
}

template <typename T>
T phi_density(T x) {
  constexpr T kScale = std::numbers::inv_sqrtpi_v<T> / std::numbers::sqrt2_v<T>;
  return kScale * std::exp(T{-0.5} * x * x);
}

}  // namespace

void swiglu_forward(ThreadTeam& team, const Rows& gate, const Rows& up, const Rows& y) {
  in_accumulator(y.dtype, [&]<typename T>(T) {
    for_each_piece(team, y, [&](const Piece& piece) {
      T g[Piece::kLongest], u[Piece::kLongest];
      piece.load(gate, g);
      piece.load(up, u);
      for (std::int64_t i = 0; i < piece.count; ++i) g[i] = g[i] * sigmoid(g[i]) * u[i];
      piece.store(g, y);
    });
  });
}

void swiglu_backward(ThreadTeam& team, const Rows& gate, const Rows& up, const Rows& dy, const Rows& dgate,
                     const Rows& dup) {
  in_accumulator(dy.dtype, [&]<typename T>(T) {
    for_each_piece(team, dy, [&](const Piece& piece) {
      T g[Piece::kLongest], u[Piece::kLongest], d[Piece::kLongest];
      piece.load(gate, g);
      piece.load(up, u);
      piece.load(dy, d);
      for (std::int64_t i = 0; i < piece.count; ++i) {
        const T s = sigmoid(g[i]);
        const T slope = s * (T{1} + g[i] * (T{1} - s));
        const T d_up = d[i] * g[i] * s;
        g[i] = d[i] * u[i] * slope;
        u[i] = d_up;
      }
      piece.store(g, dgate);
      piece.store(u, dup);
    });
  });
}

void gelu_forward(ThreadTeam& team, const Rows& x, const Rows& y) {
  in_accumulator(y.dtype, [&]<typename T>(T) {
    for_each_piece(team, y, [&](const Piece& piece) {
      T e[Piece::kLongest];
      piece.load(x, e);
      for (std::int64_t i = 0; i < piece.count; ++i) e[i] *= phi_below(e[i]);
      piece.store(e, y);
    });
  });
}

void gelu_backward(ThreadTeam& team, const Rows& x, const Rows& dy, const Rows& dx) {
  in_accumulator(dy.dtype, [&]<typename T>(T) {
    for_each_piece(team, dy, [&](const Piece& piece) {
      T e[Piece::kLongest], d[Piece::kLongest];
      piece.load(x, e);
      piece.load(dy, d);
      for (std::int64_t i = 0; i < piece.count; ++i) d[i] *= phi_below(e[i]) + e[i] * phi_density(e[i]);
      piece.store(d, dx);
    });
  });
}

}  // namespace lvx::cpu
