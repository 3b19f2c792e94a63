// SPDX-License-Identifier: Apache-2.0
// A block's keys and values as the factors of backward's products: where they lie, or packed.
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

template <typename Factor>
class KeyBlock {
  using T = SumOf<Factor>;

 public:
  // alone: one panel holds all rows.
  KeyBlock(const BackwardArguments& arguments, const Unit& unit, bool alone,
           const BackwardWorkspace<Factor>& room)
      : a_(arguments), p_(arguments.problem), unit_(unit), alone_(alone), room_(room) {}

  // Packing pays where several panels use the keys; it also tells whether zero weights may meet NaN.
  void choose(std::int64_t key_begin, std::int64_t keys) {
    const bool masked = !a_.visibility.everything() || !a_.bias.none();
    const std::int64_t ld = packed_ / kTerms<Factor>;
    const bool k_in_place = kIsPair<Factor> ? usable_one_by_one<Factor>(a_.k)
                                            : usable_as_vectors<Factor>(a_.k, p_.head_dim) && !masked;
    if (alone_ && k_in_place) {
      k_ = where_it_lies<const Factor>(a_.k, unit_.batch, key_begin, unit_.key_head);
    } else {
      pack_k(key_begin, keys);
      k_ = {room_.k, ld};
    }
    if (alone_ && usable_one_by_one<Factor>(a_.v)) {
      v_ = where_it_lies<const Factor>(a_.v, unit_.batch, key_begin, unit_.key_head);
    } else {
      pack_rows(a_.v, unit_.batch, unit_.key_head, key_begin, keys, p_.head_dim, room_.v, ld);
      v_ = {room_.v, ld};
    }
    by_keys_ = k_;
    if constexpr (kIsPair<Factor>) {
      pack_by_keys(key_begin, keys);
      by_keys_ = {room_.k_by_keys, packed_};
    }
  }

  const Rows<const Factor>& k() const { return k_; }
  const Rows<const Factor>& v() const { return v_; }
  // Terms along keys.
  const Rows<const Factor>& k_by_keys() const { return by_keys_; }
  // Of the tile that begins at key, where there is a mask.
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
    const std::int64_t ld = packed_ / kTerms<Factor>;
    for_each_tile(keys, [&](std::int64_t first, std::int64_t count) {
      finite_[first / kTileKeys] = pack_rows(a_.k, unit_.batch, unit_.key_head, key_begin + first, count,
                                             p_.head_dim, room_.k + first * ld, ld);
    });
    if constexpr (!kIsPair<Factor>) {
      // Whole vectors of k are read where it is the second factor.
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
          count, p_.head_dim, row_at, room_.k_by_keys + first / kTerms<Factor> * packed_, packed_);
    });
  }

  const BackwardArguments& a_;
  const Problem& p_;
  const Unit& unit_;
  const bool alone_;
  const BackwardWorkspace<Factor>& room_;
  const std::int64_t packed_ = packed_dim(p_.head_dim);
  const std::int64_t width_ = round_up(p_.head_dim, kLanes);
  Rows<const Factor> k_, v_, by_keys_;
  bool finite_[kMaxBlockKeys / kTileKeys] = {};
};

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
