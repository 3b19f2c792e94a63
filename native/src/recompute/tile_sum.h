// SPDX-License-Identifier: Apache-2.0
// What a rank's tiles add up to for one block of queries, in two levels: kernels add a group of tiles up in float32, in the
// memory where the sum is wanted; groups are added up in float64. Rounding then does not grow with the number of tiles.
// Few tiles are one group, and need no memory for a total.
#pragma once

#include <optional>

#include "device/device.h"

namespace lvx {

// Terms of a group: float32 loses 1e-6 of a sum of so many that are equal.
inline constexpr std::int64_t kTermsOfGroup = 64;

inline bool needs_groups(std::int64_t terms, DType accumulator) {
  return accumulator == DType::kFloat32 && terms > kTermsOfGroup;
}

// Partial results are merged, gradients of queries added.
inline void add_up(Device& device, const Problem& problem, const Partial& part, const Partial& into) {
  device.merge(problem, part, into);
}
inline void add_up(Device& device, const Problem& p, const Bshd& part, const Bshd& into) {
  device.add(p.batch, p.queries, p.query_heads, p.head_dim, part, into);
}

inline void copy_sum(Device& device, const Problem& p, const Bshd& from, const Bshd& to) {
  device.copy(p.batch, p.queries, p.query_heads, p.head_dim, from, to);
}
inline void copy_sum(Device& device, const Problem& p, const Partial& from, const Partial& to) {
  copy_sum(device, p, from.o, to.o);
  device.copy(p.batch, p.query_heads, p.queries, from.lse, to.lse);
  if (to.bias_max.data == nullptr) return;
  device.copy(p.batch, p.query_heads, p.queries, from.bias_max, to.bias_max);
}

// Sum: Partial, or Bshd for dq.
template <typename Sum>
class TileSum {
 public:
  TileSum() = default;
  // problem gives batch, queries, query_heads, head_dim. total: in float64; nullopt where no groups are needed.
  TileSum(const Problem& problem, const Sum& group, const std::optional<Sum>& total)
      : problem_(problem), group_(group), total_(total) {}

  // Where a kernel puts the next tile's share, and whether it adds it to what is there.
  const Sum& group() const { return group_; }
  bool adds() const { return terms_ > 0; }
  bool empty() const { return terms_ == 0 && !has_total_; }

  // A kernel has put a tile's share there.
  void count(Device& device) {
    ++terms_;
    if (total_ && terms_ == kTermsOfGroup) close_group(device);
  }
  // Adds what another rank's tiles add up to. Not empty.
  void add(Device& device, const Sum& share) {
    close_group(device);
    add_up(device, problem_, share, total_ ? *total_ : group_);
  }
  // Puts the whole into the memory where it is wanted.
  void finish(Device& device) {
    close_group(device);
    if (has_total_) copy_sum(device, problem_, *total_, group_);
  }

 private:
  void close_group(Device& device) {
    if (!total_ || terms_ == 0) return;
    if (has_total_) {
      add_up(device, problem_, group_, *total_);
    } else {
      copy_sum(device, problem_, group_, *total_);
    }
    has_total_ = true;
    terms_ = 0;
  }

  Problem problem_;
  Sum group_{};
  std::optional<Sum> total_;
  std::int64_t terms_ = 0;  // in the group
  bool has_total_ = false;
};

}  // namespace lvx
