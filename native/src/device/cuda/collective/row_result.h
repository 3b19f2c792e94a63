// SPDX-License-Identifier: Apache-2.0
// Writes one row of a partial result: merges it into the output, or stores it for CombineSplits.
#pragma once

#include "device/cuda/collective/mask.h"

namespace lvx::cuda {

// Weights of two partial results in their merge: w = exp(l - m), m = max(l1, l2).
template <typename T>
struct MergeWeights {
  T mine = 1, theirs = 0;
  T lse;
  bool skip = false;  // this thread's partial result is empty

  LVX_GPU MergeWeights(T my_lse, bool merge, T their_lse) : lse(my_lse) {
    constexpr T nothing = -std::numeric_limits<T>::infinity();
    if (!merge) return;
    skip = my_lse == nothing;
    if (skip || their_lse == nothing) return;
    const T max = my_lse > their_lse ? my_lse : their_lse;
    mine = exponential(my_lse - max);
    theirs = exponential(their_lse - max);
    const T sum = mine + theirs;
    mine /= sum;
    theirs /= sum;
    lse = max + logarithm(sum);
  }
};

// One row of o and lse. Several lanes of a warp construct it and write its elements. After sync_warp, one lane calls close:
// by then all lanes have read the old lse.
template <typename T>
class RowResult {
 public:
  // shift: added to the lse that memory holds.
  LVX_GPU RowResult(const Bshd& o, const Bhs& lse, std::int64_t batch, std::int64_t row, std::int64_t head,
                    T row_lse, bool merge, T shift = 0)
      : o_(o),
        lse_(lse),
        o_at_(offset_of(o, batch, row, head)),
        lse_at_(offset_of(lse, batch, head, row)),
        weights_(row_lse, merge, merge ? load_as<T>(lse.data, lse.dtype, lse_at_) + shift : T{0}) {}

  LVX_GPU void element(int column, T value) const {
    if (!weights_.skip) store_as<T>(merged(column, value), o_.data, o_.dtype, o_at_ + column);
  }
  // Two elements at an even column of o, whose dtype is Half or float32.
  template <typename Half>
  LVX_GPU void pair(int column, float first, float second, bool paired) const {
    if (weights_.skip) return;
    if (weights_.theirs != 0) {
      first = weights_.mine * first + weights_.theirs * load_half<Half>(o_.data, o_.dtype, o_at_ + column);
      second =
          weights_.mine * second + weights_.theirs * load_half<Half>(o_.data, o_.dtype, o_at_ + column + 1);
    } else {
      first *= weights_.mine;
      second *= weights_.mine;
    }
    store_pair<Half>(first, second, paired, o_.data, o_.dtype, o_at_ + column);
  }
  LVX_GPU void close() const {
    if (!weights_.skip) store_as<T>(weights_.lse, lse_.data, lse_.dtype, lse_at_);
  }

 private:
  LVX_GPU T merged(int column, T value) const {
    // The o of an empty result is undefined, so it is not read.
    if (weights_.theirs == 0) return weights_.mine * value;
    return weights_.mine * value + weights_.theirs * load_as<T>(o_.data, o_.dtype, o_at_ + column);
  }

  const Bshd& o_;
  const Bhs& lse_;
  std::int64_t o_at_;
  std::int64_t lse_at_;
  MergeWeights<T> weights_;
};

}  // namespace lvx::cuda
