// SPDX-License-Identifier: Apache-2.0
// A block's keys and values as operands of backward's products: in place, or packed.
#if defined(LVX_KEY_BLOCK_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LVX_KEY_BLOCK_INL_H
#undef LVX_KEY_BLOCK_INL_H
#else
#define LVX_KEY_BLOCK_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "device/cpu/backward_task.h"
#include "device/cpu/pack-inl.h"
#include "device/cpu/rows-inl.h"
#include "device/cpu/unit.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {

template <typename Operand>
class KeyBlock {
  using T = Accumulator<Operand>;

 public:
  // alone: one panel holds all rows.
  KeyBlock(const BackwardProblem& problem, const Unit& unit, bool alone,
           const BackwardWorkspace<Operand>& room)
      : a_(problem), p_(problem.shape), unit_(unit), alone_(alone), room_(room) {}

  // Packing pays off if several panels use the keys (measurements are in forward_kernel.cpp). It also finds non-finite
  // elements, which must not be multiplied by zero weights.
  void choose(std::int64_t key_begin, std::int64_t keys) {
    const bool masked = !a_.visibility.everything() || !a_.bias.none();
    const std::int64_t ld = packed_ / kTerms<Operand>;
    const bool k_in_place = kIsPair<Operand> ? usable_one_by_one<Operand>(a_.k)
                                             : usable_as_vectors<Operand>(a_.k, p_.head_dim) && !masked;
    if (alone_ && k_in_place) {
      k_ = where_it_lies<const Operand>(a_.k, unit_.batch, key_begin, unit_.key_head);
    } else {
      pack_k(key_begin, keys);
      k_ = {room_.k, ld};
    }
    if (alone_ && usable_one_by_one<Operand>(a_.v)) {
      v_ = where_it_lies<const Operand>(a_.v, unit_.batch, key_begin, unit_.key_head);
    } else {
      pack_rows(a_.v, unit_.batch, unit_.key_head, key_begin, keys, p_.head_dim, room_.v, ld);
      v_ = {room_.v, ld};
    }
    by_keys_ = k_;
    if constexpr (kIsPair<Operand>) {
      pack_by_keys(key_begin, keys);
      by_keys_ = {room_.k_by_keys, packed_};
    }
  }

  const Rows<const Operand>& k() const { return k_; }
  const Rows<const Operand>& v() const { return v_; }
  // Terms along keys.
  const Rows<const Operand>& k_by_keys() const { return by_keys_; }
  // For the tile that begins at key, if there is a mask.
  bool k_is_finite(std::int64_t key) const { return finite_[key / kTileKeys]; }

 private:
  // Calls pack(first, count) for each tile of the block.
  template <typename Pack>
  static void for_each_tile(std::int64_t keys, const Pack& pack) {
    for (std::int64_t first = 0; first < keys; first += kTileKeys) {
      pack(first, std::min(kTileKeys, keys - first));
    }
  }

  void pack_k(std::int64_t key_begin, std::int64_t keys) {
    const std::int64_t ld = packed_ / kTerms<Operand>;
    for_each_tile(keys, [&](std::int64_t first, std::int64_t count) {
      finite_[first / kTileKeys] = pack_rows(a_.k, unit_.batch, unit_.key_head, key_begin + first, count,
                                             p_.head_dim, room_.k + first * ld, ld);
    });
    if constexpr (!kIsPair<Operand>) {
      // The product reads whole vectors of k as its second operand.
      for (std::int64_t i = 0; i < keys && width_ != p_.head_dim; ++i) {
        std::fill(room_.k + i * packed_ + p_.head_dim, room_.k + i * packed_ + width_, T{0});
      }
    }
  }

  void pack_by_keys(std::int64_t key_begin, std::int64_t keys) {
    for_each_tile(keys, [&](std::int64_t first, std::int64_t count) {
      const auto row_at = [&](std::int64_t i) {
        return a_.k.at(unit_.batch, key_begin + first + i, unit_.key_head);
      };
      finite_[first / kTileKeys] = pack_pairs_of_rows(
          count, p_.head_dim, row_at, room_.k_by_keys + first / kTerms<Operand> * packed_, packed_);
    });
  }

  const BackwardProblem& a_;
  const ProblemShape& p_;
  const Unit& unit_;
  const bool alone_;
  const BackwardWorkspace<Operand>& room_;
  const std::int64_t packed_ = packed_dim(p_.head_dim);
  const std::int64_t width_ = round_up(p_.head_dim, kLanes);
  Rows<const Operand> k_, v_, by_keys_;
  bool finite_[kMaxBlockKeys / kTileKeys] = {};
};

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
