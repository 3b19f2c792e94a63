// SPDX-License-Identifier: Apache-2.0
// What travels, and what is computed where, when the queries move: the schedules that move queries are written once
// against this, for forward and backward alike.
#pragma once

#include <cstddef>
#include <cstdint>

#include "schedule/workspace.h"

namespace lvx {

class QueryPass {
 public:
  virtual ~QueryPass() = default;
  QueryPass() = default;
  QueryPass(const QueryPass&) = delete;
  QueryPass& operator=(const QueryPass&) = delete;

  // Sizes of the messages: a home's queries on their way out, and a partial result on its way home.
  virtual std::int64_t outbound_bytes(int home) const = 0;
  virtual std::int64_t return_bytes(int home) const = 0;

  // Asks for the memory it needs; then, once that is allocated, readies accumulators and this rank's own message.
  virtual void reserve(Workspace& workspace) = 0;
  virtual void begin(const Workspace& workspace) = 0;
  // This rank's queries as a message; stays valid until finish.
  virtual std::byte* outbound() = 0;

  // This rank's own queries against its own keys, in two halves: the first hides the arrival of the first visitor,
  // the second the way home of the last result. Both must be called, in this order. With nothing to hide, the first
  // does it all.
  virtual void compute_own_first() = 0;
  virtual void compute_own_second() = 0;
  // A visitor against this rank's keys.
  virtual void compute_visitor(int home, std::byte* outbound, std::byte* result) = 0;
  // A peer's result for this rank's queries. Called in an order that does not depend on timing.
  virtual void merge(std::byte* result) = 0;
  virtual void finish() = 0;
};

}  // namespace lvx
