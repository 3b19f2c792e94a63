// SPDX-License-Identifier: Apache-2.0
// The two-level sum of a rank's tiles for one block of queries. Kernels accumulate a group of tiles in float32, in the memory
// of the final result. Groups are accumulated in float64, so that the rounding error does not grow with the number of tiles.
// If all tiles fit one group, no memory is needed for a total.
#pragma once

#include <optional>

#include "device/device.h"

namespace lvx {

// Terms of a group. With this many equal terms, a float32 sum has a relative error of 1e-6.
inline constexpr std::int64_t kTermsOfGroup = 64;

inline bool needs_groups(std::int64_t terms, DType accumulator) {
  return accumulator == DType::kFloat32 && terms > kTermsOfGroup;
}

// Merges partial results, and adds gradients of queries.
inline void add_up(Device& device, const Partial& part, const Partial& into) { device.merge(part, into); }
inline void add_up(Device& device, const Bshd& part, const Bshd& into) { device.add(part, into); }

inline void copy_sum(Device& device, const Bshd& from, const Bshd& to) { device.copy(from, to); }
inline void copy_sum(Device& device, const Partial& from, const Partial& to) {
  device.copy(from.o, to.o);
  device.copy(from.lse, to.lse);
  if (to.bias_max.data != nullptr) device.copy(from.bias_max, to.bias_max);
}

// Sum: Partial, or Bshd for dq.
template <typename Sum>
class TileSum {
 public:
  TileSum() = default;
  // total: in float64; nullopt if one group suffices.
  TileSum(const Sum& group, const std::optional<Sum>& total) : group_(group), total_(total) {}

  // Where a kernel writes the next tile's share, and whether it accumulates there.
  const Sum& group() const { return group_; }
  bool adds() const { return terms_ > 0; }
  bool empty() const { return terms_ == 0 && !has_total_; }

  // To be called after a kernel has written a tile's share there.
  void count(Device& device) {
    ++terms_;
    if (total_ && terms_ == kTermsOfGroup) close_group(device);
  }
  // Adds the sum of another rank's tiles. This sum must not be empty.
  void add(Device& device, const Sum& share) {
    close_group(device);
    add_up(device, share, total_ ? *total_ : group_);
  }
  // Writes the complete sum to the memory of the final result.
  void finish(Device& device) {
    close_group(device);
    if (has_total_) copy_sum(device, *total_, group_);
  }

 private:
  void close_group(Device& device) {
    if (!total_ || terms_ == 0) return;
    if (has_total_) {
      add_up(device, group_, *total_);
    } else {
      copy_sum(device, group_, *total_);
    }
    has_total_ = true;
    terms_ = 0;
  }

  Sum group_{};
  std::optional<Sum> total_;
  std::int64_t terms_ = 0;  // in the current group
  bool has_total_ = false;
};

}  // namespace lvx
