// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/layers/gate.h"

#include <cmath>
#include <cstring>

#include "device/cpu/layers/elements_of_rows.h"

namespace lvx::cpu {
namespace {

// dgate is a sum over all rows. It is computed as a fixed number of partial sums, which are added in order, so that the result
// does not depend on the number of threads.
constexpr std::int64_t kParts = 64;

double factor_of(const Parameter& gate) {
  return gate.none() ? 1 : std::tanh(load_element<double>(gate.data, gate.dtype, 0));
}

void add_to(const Parameter& parameter, std::int64_t index, double value) {
  const auto before = load_element<double>(parameter.data, parameter.dtype, index);
  store_element(before + value, parameter.data, parameter.dtype, index);
}

// The gradient of the branch's factor.
template <typename T>
double dot(ThreadTeam& team, const Rows& branch, const RowIntegers& live, const Rows& dy) {
  const Split rows(dy.batch * dy.rows, kParts, 1);
  double sums[kParts] = {};
  team.run(rows.parts(), [&](std::int64_t part, int) {
    T b[Piece::kLongest], d[Piece::kLongest];
    double sum = 0;
    for (std::int64_t i = rows.begin(part); i < rows.end(part); ++i) {
      if (!is_live(live, i / dy.rows, i % dy.rows)) continue;
      for (std::int64_t begin = 0; begin < dy.width; begin += Piece::kLongest) {
        const Piece piece{i / dy.rows, i % dy.rows, begin, std::min(Piece::kLongest, dy.width - begin)};
        piece.load(branch, b);
        piece.load(dy, d);
        for (std::int64_t e = 0; e < piece.count; ++e) sum += static_cast<double>(b[e] * d[e]);
      }
    }
    sums[part] = sum;
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// The weight of b in each column of a piece.
template <typename T>
void load_shares(const Parameter& gate, const Piece& piece, T* shares) {
  double values[Piece::kLongest];
  piece.load(gate, values);
  for (std::int64_t i = 0; i < piece.count; ++i) shares[i] = static_cast<T>(sigmoid(values[i]));
}

}  // namespace

void gated_add_forward(ThreadTeam& team, const Rows& x, const Rows& branch, const Parameter& gate,
                       const RowIntegers& live, const Rows& y) {
  in_accumulator(y.dtype, [&]<typename T>(T) {
    const T factor = static_cast<T>(factor_of(gate));
    for_each_piece(team, y, [&](const Piece& piece) {
      T e[Piece::kLongest], b[Piece::kLongest];
      piece.load(x, e);
      if (is_live(live, piece.item, piece.row)) {
        piece.load(branch, b);
        for (std::int64_t i = 0; i < piece.count; ++i) e[i] += factor * b[i];
      }
      piece.store(e, y);
    });
  });
}

void gated_add_backward(ThreadTeam& team, const Rows& branch, const Parameter& gate, const RowIntegers& live,
                        const Rows& dy, const Rows& dbranch, const Parameter& dgate) {
  in_accumulator(dy.dtype, [&]<typename T>(T) {
    const double factor = factor_of(gate);
    // dgate is computed before dbranch is written, because dbranch may be branch.
    if (!dgate.none()) add_to(dgate, 0, (1 - factor * factor) * dot<T>(team, branch, live, dy));
    for_each_piece(team, dy, [&](const Piece& piece) {
      T d[Piece::kLongest] = {};
      if (is_live(live, piece.item, piece.row)) {
        piece.load(dy, d);
        for (std::int64_t i = 0; i < piece.count; ++i) d[i] *= static_cast<T>(factor);
      }
      piece.store(d, dbranch);
    });
  });
}

void blend_forward(ThreadTeam& team, const Rows& a, const Rows& b, const Parameter& gate,
                   const RowIntegers& live, const Rows& y) {
  in_accumulator(y.dtype, [&]<typename T>(T) {
    for_each_piece(team, y, [&](const Piece& piece) {
      T e[Piece::kLongest], f[Piece::kLongest], share[Piece::kLongest];
      piece.load(a, e);
      if (is_live(live, piece.item, piece.row)) {
        piece.load(b, f);
        load_shares(gate, piece, share);
        for (std::int64_t i = 0; i < piece.count; ++i) e[i] += share[i] * (f[i] - e[i]);
      }
      piece.store(e, y);
    });
  });
}

// Each task has its own columns, so that dgate is always summed in the same order.
void blend_backward(ThreadTeam& team, const Rows& a, const Rows& b, const Parameter& gate,
                    const RowIntegers& live, const Rows& dy, const Rows& da, const Rows& db,
                    const Parameter& dgate) {
  constexpr std::int64_t kColumns = 64;
  in_accumulator(dy.dtype, [&]<typename T>(T) {
    team.run(divide_up(dy.width, kColumns), [&](std::int64_t index, int) {
      Piece piece{0, 0, index * kColumns, std::min(kColumns, dy.width - index * kColumns)};
      T share[Piece::kLongest];
      load_shares(gate, piece, share);
      T e[kColumns], f[kColumns], d[kColumns];
      double sums[kColumns] = {};
      for (std::int64_t row = 0; row < dy.batch * dy.rows; ++row) {
        piece.item = row / dy.rows;
        piece.row = row % dy.rows;
        piece.load(dy, d);
        if (is_live(live, piece.item, piece.row)) {
          piece.load(a, e);
          piece.load(b, f);
          for (std::int64_t i = 0; i < piece.count; ++i) {
            sums[i] += static_cast<double>(d[i] * (f[i] - e[i]));
            f[i] = share[i] * d[i];
            e[i] = d[i] - f[i];
          }
        } else {
          std::fill_n(f, piece.count, T{0});
          std::copy_n(d, piece.count, e);
        }
        piece.store(e, da);
        piece.store(f, db);
      }
      if (dgate.none()) return;
      for (std::int64_t i = 0; i < piece.count; ++i) {
        const double s = sigmoid(load_element<double>(gate.data, gate.dtype, piece.begin + i));
        add_to(dgate, piece.begin + i, s * (1 - s) * sums[i]);
      }
    });
  });
}

void add(ThreadTeam& team, const Rows& x, const Rows& y) {
  in_accumulator(y.dtype, [&]<typename T>(T) {
    for_each_piece(team, y, [&](const Piece& piece) {
      T e[Piece::kLongest], f[Piece::kLongest];
      piece.load(x, e);
      piece.load(y, f);
      for (std::int64_t i = 0; i < piece.count; ++i) f[i] += e[i];
      piece.store(f, y);
    });
  });
}

void clear_rows(ThreadTeam& team, const RowIntegers& live, const Rows& x) {
  for_each(team, x.batch * x.rows, x.width, [&](std::int64_t i) {
    if (is_live(live, i / x.rows, i % x.rows)) return;
    std::memset(x.at(i / x.rows, i % x.rows), 0, static_cast<std::size_t>(x.width * size_of(x.dtype)));
  });
}

}  // namespace lvx::cpu
