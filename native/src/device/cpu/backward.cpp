// SPDX-License-Identifier: Apache-2.0
// Splits backward into tasks by keys, so that one task alone writes each element of dk, dv and d_bias. Then sums the tasks'
// dq in order, in float64.
#include "device/cpu/backward.h"

#include <algorithm>

#include "attention/elements.h"
#include "device/cpu/backward_task.h"
#include "device/cpu/scratch_check.h"
#include "device/cpu/unit.h"

namespace lvx::cpu {
namespace {

// Units that accumulate into the same elements of d_bias belong to one task, which processes them one after the other.
struct UnitGroups {
  std::int64_t batches = 1;    // per task
  std::int64_t key_heads = 1;  // per task

  UnitGroups(const ProblemShape& p, const Bias& d_bias) {
    if (d_bias.none()) return;
    if (d_bias.batch_stride == 0) batches = p.batch;
    if (d_bias.head_stride == 0) key_heads = p.key_heads;
  }
};

template <typename Operand>
struct Plan {
  using T = Accumulator<Operand>;

  std::int64_t units;
  std::int64_t rows;  // per unit
  std::int64_t packed;
  BackwardBlocking blocking;
  BackwardGroups groups;
  std::size_t workspace;  // bytes per thread
  std::byte* workspaces;
  T* dq;  // [key part, unit, row, packed head_dim]
  std::size_t bytes;

  Plan(const ProblemShape& p, int threads, std::byte* memory)
      : units(Unit::count(p)),
        rows(Unit::rows(p)),
        packed(packed_dim(p.head_dim)),
        blocking(p, BackwardWorkspace<Operand>::kBytes, threads),
        groups(p, blocking.keys.longest()) {
    Scratch one;
    BackwardWorkspace<Operand>(one, p, groups);
    workspace = one.used();
    Scratch scratch(memory);
    workspaces = scratch.take<std::byte>(static_cast<std::int64_t>(workspace) * threads);
    dq = scratch.take<T>(blocking.keys.parts() * units * rows * packed);
    bytes = scratch.used();
  }
};

// Sum: the type in which the parts are summed.
template <typename Sum, typename Operand, typename T = Accumulator<Operand>>
void sum_dq(ThreadTeam& team, const BackwardProblem& a, const Plan<Operand>& plan) {
  const ProblemShape& p = a.shape;
  const std::int64_t all_rows = plan.units * plan.rows;
  const Sum scale = static_cast<Sum>(p.scale);
  constexpr std::int64_t kRowsAtOnce = 64;
  team.run(divide_up(all_rows, kRowsAtOnce), [&](std::int64_t run, int) {
    Sum sum[kMaxHeadDim];
    Sum before[kMaxHeadDim] = {};
    for (std::int64_t i = run * kRowsAtOnce; i < std::min(all_rows, (run + 1) * kRowsAtOnce); ++i) {
      const Unit unit(p, i / plan.rows);
      const std::int64_t row = i % plan.rows;
      std::copy_n(plan.dq + i * plan.packed, p.head_dim, sum);
      for (std::int64_t part = 1; part < plan.blocking.keys.parts(); ++part) {
        const T* more = plan.dq + (part * all_rows + i) * plan.packed;
        for (std::int64_t d = 0; d < p.head_dim; ++d) sum[d] += static_cast<Sum>(more[d]);
      }
      std::byte* out = a.dq.at(unit.batch, unit.query(row), unit.head(row));
      if (a.add_dq) load_row(out, a.dq.dtype, p.head_dim, before);
      for (std::int64_t d = 0; d < p.head_dim; ++d) sum[d] = before[d] + scale * sum[d];
      store_row(sum, p.head_dim, out, a.dq.dtype);
    }
  });
}

template <typename Operand>
void backward_as(ThreadTeam& team, const BackwardProblem& a, std::span<std::byte> scratch) {
  const ProblemShape& p = a.shape;
  const Plan<Operand> plan(p, team.threads(), scratch.data());
  require_scratch("backward", plan.bytes, scratch.size());
  if (plan.units == 0) return;
  const Split& key_parts = plan.blocking.keys;
  const UnitGroups groups(p, a.d_bias);
  const std::int64_t head_groups = p.key_heads / groups.key_heads;
  const std::int64_t tasks = p.batch / groups.batches * head_groups * key_parts.parts();
  const auto part_of = [&](std::int64_t index) { return index % key_parts.parts(); };
  const auto first_unit_of = [&](std::int64_t index) {
    const std::int64_t group = index / key_parts.parts();
    return group / head_groups * groups.batches * p.key_heads + group % head_groups * groups.key_heads;
  };
  team.run(tasks, [&](std::int64_t index, int slot) {
    const std::int64_t part = part_of(index);
    const std::int64_t next = std::min(index + team.threads(), tasks - 1);
    for (std::int64_t b = 0; b < groups.batches; ++b) {
      for (std::int64_t head = 0; head < groups.key_heads; ++head) {
        const std::int64_t unit = first_unit_of(index) + b * p.key_heads + head;
        const BackwardTask<Operand> task{&a,
                                         unit,
                                         key_parts.begin(part),
                                         key_parts.end(part),
                                         first_unit_of(next),
                                         next == index ? p.keys : key_parts.begin(part_of(next)),
                                         plan.groups,
                                         plan.dq + (part * plan.units + unit) * plan.rows * plan.packed};
        run_backward_task(task, plan.workspaces + static_cast<std::size_t>(slot) * plan.workspace);
      }
    }
  });
  if (key_parts.parts() > 1) {
    sum_dq<double>(team, a, plan);
  } else {
    sum_dq<Accumulator<Operand>>(team, a, plan);
  }
}

}  // namespace

std::size_t backward_scratch(const ProblemShape& shape, DType dtype, int threads) {
  return visit_operand(
      dtype, [&]<typename Operand>(Operand) { return Plan<Operand>(shape, threads, nullptr).bytes; });
}

void backward(ThreadTeam& team, const BackwardProblem& problem, std::span<std::byte> scratch) {
  visit_operand(problem.q.dtype,
                [&]<typename Operand>(Operand) { backward_as<Operand>(team, problem, scratch); });
}

}  // namespace lvx::cpu
