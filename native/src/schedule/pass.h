// SPDX-License-Identifier: Apache-2.0
// A pass: what is sent and what is computed where, when blocks of queries visit the ranks that hold keys, or vice versa.
// Schedules use this interface, so that each is written once for visiting queries and visiting keys, forward and backward.
//
// A block's *home* is the rank that it belongs to; a *worker* is a rank that it visits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "group/group.h"
#include "schedule/shards.h"
#include "schedule/workspace.h"

namespace lvx {

class Pass {
 public:
  // own: this rank's queries and keys.
  Pass(Collective& collective, const Shards& shards, const ProblemShape& own, DType dtype)
      : collective_(collective),
        shards_(shards),
        own_(own),
        rank_(collective.rank()),
        dtype_(dtype),
        accumulator_(accumulator_of(dtype)),
        queries_travel_(shards.queries_see_others(rank_)),
        keys_travel_(shards.keys_seen_by_others(rank_)) {}
  virtual ~Pass() = default;
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  // Whether home's block must visit worker; false if they are the same rank.
  virtual bool visits(int home, int worker) const = 0;

  // Sizes of messages: the block itself; the side, which one worker alone needs in addition (0: nothing); and a worker's result
  // for home (0: none).
  virtual std::int64_t block_bytes(int home) const = 0;
  virtual std::int64_t side_bytes(int home, int worker) const = 0;
  virtual std::int64_t result_bytes(int home, int worker) const = 0;

  // Reserves memory; begin, once it is allocated, prepares accumulators and this rank's own block.
  virtual void reserve(Workspace& workspace) = 0;
  virtual void begin(const Workspace& workspace) = 0;
  // This rank's block as a message; stays valid until finish.
  std::byte* block() const { return block_; }
  virtual void pack_side(int worker, std::byte* side) = 0;

  // Computes this rank's own queries against its own keys, in two parts: the first hides the arrival of the first visitor, the
  // second the transfer of the last result. Both must be called, in this order, and the first before any visitor is computed.
  // If there is nothing to hide, the first part computes everything.
  void compute_own_first() { compute_own(0, first_part(), false); }
  void compute_own_second() {
    if (first_part() < own_.keys) compute_own(first_part(), own_.keys, true);
  }
  // Computes a visitor at this rank.
  virtual void compute_visitor(int home, std::byte* block, std::byte* side, std::byte* result) = 0;
  // Merges a worker's result for this rank's block. Called in an order that does not depend on timing.
  virtual void merge(int worker, std::byte* result) = 0;
  virtual void finish() = 0;

 protected:
  // The problem shape of home's block at this rank.
  virtual ProblemShape shape_of(int home) const = 0;
  virtual std::size_t scratch_bytes(const ProblemShape& shape) const = 0;
  // Computes own keys [first_key, end_key). add: accumulates into the results of the first part.
  virtual void compute_own(std::int64_t first_key, std::int64_t end_key, bool add) = 0;

  // Whether there is a transfer to hide: of a block or of a result.
  bool splits() const { return queries_travel_ || keys_travel_; }
  // The number of this rank's own keys in the first part. The parts are proportional to the transfers that they hide: a block,
  // and a result.
  std::int64_t first_part() const {
    if (!splits()) return own_.keys;
    const auto block = static_cast<double>(block_bytes(rank_));
    const auto result = static_cast<double>(result_bytes(rank_, rank_));
    if (result == 0) return own_.keys;
    return static_cast<std::int64_t>(static_cast<double>(own_.keys) * block / (block + result));
  }
  // The part of this rank's bias, or of its gradient, for a rank's queries.
  Bias of_queries(int rank, const Bias& bias) const {
    return bias.row_range(shards_.query_begin(rank), shards_.query_begin(rank + 1));
  }

  void need_scratch(const ProblemShape& shape) { scratch_.need(scratch_bytes(shape)); }
  // Reserves scratch for every problem that this rank computes.
  void reserve_scratch(Workspace& workspace) {
    for (int home = 0; home < collective_.size(); ++home) {
      if (visits(home, rank_)) need_scratch(shape_of(home));
    }
    // Fewer keys can need more scratch, because they may be split differently.
    ProblemShape part = shape_of(rank_);
    part.keys = first_part();
    need_scratch(part);
    part.keys = own_.keys - first_part();
    need_scratch(part);
    scratch_.reserve(workspace);
  }

  Collective& collective_;
  const Shards& shards_;
  const ProblemShape& own_;
  const int rank_;
  const DType dtype_;
  const DType accumulator_;
  const bool queries_travel_;  // some peer sees keys for this rank's queries
  const bool keys_travel_;     // some peer's queries see this rank's keys
  std::byte* block_ = nullptr;
  KernelScratch scratch_;
};

}  // namespace lvx
