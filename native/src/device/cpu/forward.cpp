// SPDX-License-Identifier: Apache-2.0
// Splits forward into tasks. If keys are split, merges the partial results in a fixed order.
#include "device/cpu/forward.h"

#include <algorithm>
#include <cmath>

#include "device/cpu/bias_max.h"
#include "device/cpu/decode_task.h"
#include "device/cpu/finish_row.h"
#include "device/cpu/forward_task.h"
#include "device/cpu/scratch_check.h"
#include "device/cpu/unit.h"

namespace lvx::cpu {
namespace {

template <typename Operand>
struct Plan {
  using T = Accumulator<Operand>;

  std::int64_t units;
  std::int64_t rows;  // per unit
  ForwardBlocking blocking;
  bool grouped;
  std::size_t workspace;  // bytes per thread
  std::byte* workspaces;
  T* partial_o = nullptr;  // [key part, unit, row, head_dim], normalised
  T* partial_max = nullptr;
  T* partial_sum = nullptr;
  std::size_t bytes;

  Plan(const ProblemShape& p, int threads, std::byte* memory)
      : units(Unit::count(p)),
        rows(Unit::rows(p)),
        blocking(p, ForwardWorkspace<Operand>::kBytes, threads),
        grouped(blocking.keys.longest() > kGroupKeys) {
    Scratch one;
    if (blocking.decode) {
      DecodeWorkspace<T>(one, p);
    } else {
      ForwardWorkspace<Operand>(one, p, grouped);
    }
    workspace = one.used();
    Scratch scratch(memory);
    workspaces = scratch.take<std::byte>(static_cast<std::int64_t>(workspace) * threads);
    if (merges()) {
      partial_o = scratch.take<T>(blocking.keys.parts() * units * rows * p.head_dim);
      partial_max = scratch.take<T>(blocking.keys.parts() * units * rows);
      partial_sum = scratch.take<T>(blocking.keys.parts() * units * rows);
    }
    bytes = scratch.used();
  }

  bool merges() const { return blocking.decode || blocking.keys.parts() > 1; }
};

// In float64, because there may be many parts, and weighted sums may reach the largest float.
template <typename Operand, typename T = Accumulator<Operand>>
void merge_parts(ThreadTeam& team, const ForwardProblem& a, const Plan<Operand>& plan) {
  const ProblemShape& p = a.shape;
  const std::int64_t all_rows = plan.units * plan.rows;
  const std::int64_t parts = plan.blocking.keys.parts();
  constexpr std::int64_t kRowsAtOnce = 64;
  team.run(divide_up(all_rows, kRowsAtOnce), [&](std::int64_t run, int) {
    for (std::int64_t i = run * kRowsAtOnce; i < std::min(all_rows, (run + 1) * kRowsAtOnce); ++i) {
      double max = static_cast<double>(plan.partial_max[i]);
      for (std::int64_t part = 1; part < parts; ++part)
        max = std::max(max, static_cast<double>(plan.partial_max[part * all_rows + i]));
      double o[kMaxHeadDim] = {};
      double sum = 0;
      for (std::int64_t part = 0; part < parts; ++part) {
        const std::int64_t at = part * all_rows + i;
        if (plan.partial_sum[at] == T{0}) continue;
        const double weight = std::exp(static_cast<double>(plan.partial_max[at]) - max) *
                              static_cast<double>(plan.partial_sum[at]);
        sum += weight;
        const T* more = plan.partial_o + at * p.head_dim;
        for (std::int64_t d = 0; d < p.head_dim; ++d) o[d] += weight * static_cast<double>(more[d]);
      }
      normalise(sum, p.head_dim, o);
      finish_row(a, Unit(p, i / plan.rows), i % plan.rows, o, max, sum);
    }
  });
}

template <typename Operand>
void run_blocks(ThreadTeam& team, const ForwardProblem& a, const Plan<Operand>& plan) {
  const Split& row_blocks = plan.blocking.rows;
  const Split& key_parts = plan.blocking.keys;
  const std::int64_t tasks = plan.units * row_blocks.parts() * key_parts.parts();
  const auto part_of = [&](std::int64_t index) { return index % key_parts.parts(); };
  const auto unit_of = [&](std::int64_t index) { return index / key_parts.parts() / row_blocks.parts(); };
  team.run(tasks, [&](std::int64_t index, int slot) {
    const std::int64_t part = part_of(index);
    const std::int64_t block = index / key_parts.parts() % row_blocks.parts();
    const std::int64_t unit = unit_of(index);
    const std::int64_t next = std::min(index + team.threads(), tasks - 1);
    ForwardTask<Operand> task{};
    task.problem = &a;
    task.unit = unit;
    task.row_begin = row_blocks.begin(block);
    task.row_end = row_blocks.end(block);
    task.key_begin = key_parts.begin(part);
    task.key_end = key_parts.end(part);
    task.grouped = plan.grouped;
    task.next_unit = unit_of(next);
    task.next_key = next == index ? a.shape.keys : key_parts.begin(part_of(next));
    if (plan.merges()) {
      const std::int64_t first = (part * plan.units + unit) * plan.rows;
      task.partial_o = plan.partial_o + first * a.shape.head_dim;
      task.partial_max = plan.partial_max + first;
      task.partial_sum = plan.partial_sum + first;
    }
    run_forward_task(task, plan.workspaces + static_cast<std::size_t>(slot) * plan.workspace);
  });
}

template <typename Operand, typename T = Accumulator<Operand>>
void run_decode(ThreadTeam& team, const ForwardProblem& a, const Plan<Operand>& plan) {
  const Split& key_parts = plan.blocking.keys;
  team.run(a.shape.batch * key_parts.parts(), [&](std::int64_t index, int slot) {
    const std::int64_t part = index % key_parts.parts();
    const std::int64_t first = part * plan.units * plan.rows;
    const DecodeTask<T> task{&a,
                             index / key_parts.parts(),
                             key_parts.begin(part),
                             key_parts.end(part),
                             plan.partial_o + first * a.shape.head_dim,
                             plan.partial_max + first,
                             plan.partial_sum + first};
    run_decode_task(task, plan.workspaces + static_cast<std::size_t>(slot) * plan.workspace);
  });
}

template <typename Operand>
void forward_as(ThreadTeam& team, const ForwardProblem& a, std::span<std::byte> scratch) {
  const Plan<Operand> plan(a.shape, team.threads(), scratch.data());
  require_scratch("forward", plan.bytes, scratch.size());
  if (plan.units * plan.rows == 0) return;
  set_bias_max(team, a);
  if (plan.blocking.decode) {
    run_decode(team, a, plan);
  } else {
    run_blocks(team, a, plan);
  }
  if (plan.merges()) merge_parts(team, a, plan);
}

}  // namespace

std::size_t forward_scratch(const ProblemShape& shape, DType dtype, int threads) {
  return visit_operand(
      dtype, [&]<typename Operand>(Operand) { return Plan<Operand>(shape, threads, nullptr).bytes; });
}

void forward(ThreadTeam& team, const ForwardProblem& problem, std::span<std::byte> scratch) {
  visit_operand(problem.q.dtype,
                [&]<typename Operand>(Operand) { forward_as<Operand>(team, problem, scratch); });
}

}  // namespace lvx::cpu
