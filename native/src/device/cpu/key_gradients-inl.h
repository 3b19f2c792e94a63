// SPDX-License-Identifier: Apache-2.0
// The dk and dv of a block, into which panels accumulate: in the caller's tensors or in the workspace.
#if defined(LVX_KEY_GRADIENTS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LVX_KEY_GRADIENTS_INL_H
#undef LVX_KEY_GRADIENTS_INL_H
#else
#define LVX_KEY_GRADIENTS_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "device/cpu/backward_task.h"
#include "device/cpu/group_sums-inl.h"
#include "device/cpu/pack-inl.h"
#include "device/cpu/rows-inl.h"
#include "device/cpu/unit.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {

template <typename Operand>
class KeyGradients {
  using T = Accumulator<Operand>;

 public:
  // alone: one panel holds all rows; grouped: there are more panels than a group has.
  KeyGradients(const BackwardProblem& problem, const Unit& unit, bool alone, bool grouped,
               const BackwardWorkspace<Operand>& room)
      : a_(problem),
        p_(problem.shape),
        unit_(unit),
        alone_(alone),
        grouped_(grouped),
        room_(room),
        non_temporal_(!a_.add_dkv && fills_lines(a_.dk) && fills_lines(a_.dv) &&
                      key_gradients_exceed_cache(p_, static_cast<std::size_t>(size_of(a_.dk.dtype)))) {}

  // A single panel computes complete dk and dv, so they need not be summed in the workspace.
  void choose(std::int64_t key) {
    in_place_ = alone_ && lies_as<T>(a_.dk, p_.head_dim) && lies_as<T>(a_.dv, p_.head_dim);
    dk_ = {room_.dk, packed_};
    dv_ = {room_.dv, packed_};
    if (!in_place_) return;
    dk_ = where_it_lies<T>(a_.dk, unit_.batch, key, unit_.key_head);
    dv_ = where_it_lies<T>(a_.dv, unit_.batch, key, unit_.key_head);
  }

  void clear(std::int64_t keys) {
    panels_ = 0;
    begun_ = false;
    if (in_place_ && a_.add_dkv) return;
    for (std::int64_t key = 0; key < keys; ++key) {
      std::fill_n(dk_.at(key), width_, T{0});
      std::fill_n(dv_.at(key), width_, T{0});
    }
  }

  // To be called after each panel.
  void end_panel(std::int64_t keys) {
    if (grouped_ && ++panels_ == kGroupPanels) add_groups(keys);
  }

  // Writes dk and dv to the caller's tensors.
  void finish(std::int64_t key_begin, std::int64_t keys) {
    if (in_place_) return;
    if (begun_) {
      if (panels_ > 0) add_groups(keys);
      store(room_.dk_sums, p_.scale, a_.dk, key_begin, keys);
      store(room_.dv_sums, 1.0, a_.dv, key_begin, keys);
    } else {
      store(room_.dk, static_cast<T>(p_.scale), a_.dk, key_begin, keys);
      store(room_.dv, T{1}, a_.dv, key_begin, keys);
    }
  }

  const Rows<T>& dk() const { return dk_; }
  const Rows<T>& dv() const { return dv_; }
  // Whether panels accumulate into the caller's tensors, so that terms need the final scale.
  bool in_place() const { return in_place_; }
  // Whether the first product overwrites dk and dv, rather than accumulating.
  bool first_product_writes() const { return alone_ && !(in_place_ && a_.add_dkv); }
  // Whether to use non-temporal stores: dk and dv are written once and exceed the cache.
  bool non_temporal() const { return non_temporal_; }

 private:
  // Whether vectors are whole cache lines in every row of x.
  bool fills_lines(const Bshd& x) const {
    constexpr std::uintptr_t kLine = 64;
    const auto whole = [&](std::int64_t elements) { return elements * size_of(x.dtype) % kLine == 0; };
    return hn::Lanes(hn::ScalableTag<T>()) * sizeof(T) == kLine &&
           reinterpret_cast<std::uintptr_t>(x.data) % kLine == 0 && whole(p_.head_dim) &&
           whole(x.batch_stride) && whole(x.row_stride) && whole(x.head_stride);
  }

  // Adds a group of panels to the sums of earlier groups, and begins a new group.
  void add_groups(std::int64_t keys) {
    for (std::int64_t i = 0; i < keys; ++i) {
      const std::int64_t at = i * packed_;
      add_group(room_.dk + at, width_, !begun_, 1, room_.dk_sums + at);
      add_group(room_.dv + at, width_, !begun_, 1, room_.dv_sums + at);
    }
    panels_ = 0;
    begun_ = true;
  }

  template <typename Sum>
  void store(const Sum* sums, Sum scale, const Bshd& out, std::int64_t key_begin, std::int64_t keys) const {
    Sum line[kMaxHeadDim];
    for (std::int64_t i = 0; i < keys; ++i) {
      std::byte* at = out.at(unit_.batch, key_begin + i, unit_.key_head);
      const Sum* sum = sums + i * packed_;
      if (a_.add_dkv) {
        load_row(at, out.dtype, p_.head_dim, line);
        for (std::int64_t d = 0; d < p_.head_dim; ++d) line[d] += scale * sum[d];
        store_row(line, p_.head_dim, at, out.dtype);
      } else {
        store_scaled(sum, scale, p_.head_dim, at, out.dtype, non_temporal_);
      }
    }
  }

  const BackwardProblem& a_;
  const ProblemShape& p_;
  const Unit& unit_;
  const bool alone_;
  const bool grouped_;
  const BackwardWorkspace<Operand>& room_;
  const std::int64_t packed_ = packed_dim(p_.head_dim);
  const std::int64_t width_ = round_up(p_.head_dim, kLanes);
  Rows<T> dk_, dv_;
  bool in_place_ = false;
  std::int64_t panels_ = 0;  // panels of the current group, which has not been added yet
  bool begun_ = false;       // whether the sums of groups hold anything
  const bool non_temporal_;
};

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
