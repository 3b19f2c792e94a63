// SPDX-License-Identifier: Apache-2.0
// What travels and what is computed where when heads are exchanged for sequence: every rank gets a part of the heads
// of all queries and all keys. Written once against this for forward and backward.
#pragma once

#include <cstddef>
#include <cstdint>

#include "schedule/workspace.h"

namespace lvx {

class HeadPass {
 public:
  virtual ~HeadPass() = default;
  HeadPass() = default;
  HeadPass(const HeadPass&) = delete;
  HeadPass& operator=(const HeadPass&) = delete;

  // What home sends to worker: worker's heads of its queries and keys. 0: nothing.
  virtual std::int64_t share_bytes(int home, int worker) const = 0;
  // What worker sends back to home. 0: nothing.
  virtual std::int64_t result_bytes(int home, int worker) const = 0;

  virtual void reserve(Workspace& workspace) = 0;
  virtual void begin(const Workspace& workspace) = 0;
  virtual void pack_share(int worker, std::byte* share) = 0;
  // Hands over what home sent, and where the result for it is to be written.
  virtual void take_share(int home, std::byte* share, std::byte* result) = 0;
  // This rank's heads: queries_home's queries against keys_home's keys. Every pair is computed once, in a fixed order.
  virtual void compute_pair(int queries_home, int keys_home) = 0;
  // All pairs with home's queries and keys have been computed: completes its result.
  virtual void complete(int home) = 0;
  virtual void merge(int worker, std::byte* result) = 0;
  virtual void finish() = 0;
};

}  // namespace lvx
