// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/pass.h"

namespace lvx {

// Queries visit keys. Results can be merged on their way home.
class QueryPass : public Pass {
 public:
  using Pass::Pass;

  bool visits(int home, int worker) const override { return home != worker && shards_.sees(home, worker); }
  std::int64_t side_bytes(int, int) const override { return 0; }
  void pack_side(int, std::byte*) override {}

  // The sum of several workers' results, in the accumulator's dtype. The leader through which a block entered a node keeps it.
  virtual std::int64_t sum_bytes(int home) const = 0;
  virtual void start_sum(int home, std::byte* block, std::byte* sum) = 0;
  virtual void add_to_sum(int home, std::byte* result, std::byte* sum) = 0;
  // Converts the sum to a result that can be sent home.
  virtual void finish_sum(int home, std::byte* sum, std::byte* result) = 0;

 protected:
  // Home's queries against this rank's keys.
  ProblemShape shape_of(int home) const override {
    ProblemShape shape = own_;
    shape.queries = shards_.queries(home);
    shape.first_key = shards_.key_begin(rank_);
    shape.first_query = shards_.query_begin(home);
    return shape;
  }
};

}  // namespace lvx
