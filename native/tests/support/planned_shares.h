// SPDX-License-Identifier: Apache-2.0
// A random problem as a planned call, and the plan of each rank.
#pragma once

#include <vector>

#include "plan/planned_call.h"
#include "support/visual_problem.h"

namespace lvx::test {

// The plan of one rank.
struct PlannedShare {
  lvx_statistics statistics{};
  std::vector<lvx_plan_step> steps;
};

class PlannedShares {
 public:
  PlannedShares(const RandomProblem& random, Operation operation, lvx_strategy strategy, int ranks_per_node) {
    call_.operation = operation;
    call_.strategy = strategy;
    call_.dtype = DType::kFloat64;
    call_.shape = random.shape;
    call_.ranks_per_node = ranks_per_node;
    for (int rank = 0; rank < random.ranks; ++rank) {
      queries_.push_back(random.queries(rank));
      keys_.push_back(random.keys(rank));
      ranges_.push_back(random.ranges);
      for (int other = 0; other < random.ranks; ++other) sees_.push_back(random.sees(rank, other) ? 1 : 0);
    }
    call_.queries = queries_;
    call_.keys = keys_;
    if (random.has_visibility) {
      call_.ranges = ranges_;
      call_.sees = sees_;
    }
    call_.has_bias = random.has_bias;
    call_.bias = {DType::kFloat64, random.bias_batch, random.bias_heads, random.bias_rows, true};
  }
  PlannedShares(const VisualProblem& visual, Operation operation, int ranks_per_node)
      : PlannedShares(visual.random, operation, LVX_QUERY_GATHER, ranks_per_node) {
    call_.projection = {visual.width,      visual.tile_rows, visual.layout,
                        visual.input_norm, visual.key_norm,  visual.rotary};
  }
  PlannedShares(const PlannedShares&) = delete;
  PlannedShares& operator=(const PlannedShares&) = delete;

  PlannedCall& call() { return call_; }

  PlannedShare plan(int rank, Device* scratch) const {
    PlannedShare share;
    share.statistics.struct_size = sizeof(share.statistics);
    Steps counted(std::span<lvx_plan_step>{});
    plan_rank(call_, rank, scratch, counted, nullptr);
    share.steps.resize(counted.count());
    Steps written(share.steps);
    plan_rank(call_, rank, scratch, written, &share.statistics);
    return share;
  }
  std::vector<PlannedShare> plan(Device* scratch) const {
    std::vector<PlannedShare> shares;
    for (int rank = 0; rank < call_.ranks(); ++rank) shares.push_back(plan(rank, scratch));
    return shares;
  }

 private:
  PlannedCall call_;
  std::vector<std::int64_t> queries_, keys_, ranges_;
  std::vector<std::uint8_t> sees_;
};

}  // namespace lvx::test
