// SPDX-License-Identifier: Apache-2.0
// What travels and what is computed where, when a block of one side visits the ranks that keep the other side. The
// schedules are written once against this, for queries that visit keys and keys that visit queries, forward and
// backward alike.
//
// A block's *home* is the rank it belongs to; a *worker* is a rank that it visits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "schedule/workspace.h"

namespace lvx {

class Pass {
 public:
  virtual ~Pass() = default;
  Pass() = default;
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  // Whether home's block has anything to do at worker; false where they are the same rank.
  virtual bool visits(int home, int worker) const = 0;

  // Sizes of messages: the block itself; what only one worker needs of home beside it (0: nothing); and a worker's
  // result on its way home (0: none).
  virtual std::int64_t block_bytes(int home) const = 0;
  virtual std::int64_t side_bytes(int home, int worker) const = 0;
  virtual std::int64_t result_bytes(int home, int worker) const = 0;

  // Asks for the memory it needs; then, once that is allocated, readies accumulators and this rank's own block.
  virtual void reserve(Workspace& workspace) = 0;
  virtual void begin(const Workspace& workspace) = 0;
  // This rank's block as a message; stays valid until finish.
  virtual std::byte* block() = 0;
  virtual void pack_side(int worker, std::byte* side) = 0;

  // This rank's own queries against its own keys, in two parts: the first hides the arrival of the first visitor, the
  // second the way home of the last result. Both must be called, in this order; the first before any visitor. With
  // nothing to hide, the first does it all.
  virtual void compute_own_first() = 0;
  virtual void compute_own_second() = 0;
  // A visitor at this rank.
  virtual void compute_visitor(int home, std::byte* block, std::byte* side, std::byte* result) = 0;
  // A worker's result for this rank's block. Called in an order that does not depend on timing.
  virtual void merge(int worker, std::byte* result) = 0;
  virtual void finish() = 0;

 protected:
  // Where to cut this rank's own keys: the parts take as long as what they hide, a block and a result.
  std::int64_t own_cut(int rank, std::int64_t keys) const {
    const auto block = static_cast<double>(block_bytes(rank));
    const auto result = static_cast<double>(result_bytes(rank, rank));
    if (result == 0) return keys;
    return static_cast<std::int64_t>(static_cast<double>(keys) * block / (block + result));
  }
};

// Queries visit keys. Such results can be merged on their way home.
class QueryPass : public Pass {
 public:
  // The sum of several workers' results, kept where a block entered a node, in the accumulator's dtype.
  virtual std::int64_t sum_bytes(int home) const = 0;
  virtual void start_sum(int home, std::byte* block, std::byte* sum) = 0;
  virtual void add_to_sum(int home, std::byte* result, std::byte* sum) = 0;
  // The sum as a result that can go home.
  virtual void finish_sum(int home, std::byte* sum, std::byte* result) = 0;
};

}  // namespace lvx
