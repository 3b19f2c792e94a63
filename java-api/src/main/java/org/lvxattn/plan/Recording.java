// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Pass;
import org.lvxattn.Strategy;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_error;
import org.lvxattn.bindings.generated.lvx_plan_options;
import org.lvxattn.bindings.generated.lvx_plan_step;
import org.lvxattn.bindings.generated.lvx_statistics;
import org.lvxattn.internal.ffi.NativeCalls;

/**
 * Records what the native schedules do in a call, rank by rank: they run over a device and a
 * transport that only record the requests. All native calls of a plan are here.
 */
final class Recording implements AutoCloseable {
  private static final int STEPS_PER_RANK = 16;

  private final Arena arena = Arena.ofConfined();
  private final KernelScratch scratch;
  private final MemorySegment options = lvx_plan_options.allocate(arena);
  private final MemorySegment statistics = lvx_statistics.allocate(arena);
  private final MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
  private MemorySegment steps = MemorySegment.NULL;
  private long capacity;

  private Recording(
      AttentionProblem problem, int operation, Strategy strategy, KernelScratch scratch) {
    NativeCalls.load();
    this.scratch = scratch;
    lvx_statistics.struct_size(statistics, lvx_statistics.sizeof());
    lvx_plan_options.struct_size(options, lvx_plan_options.sizeof());
    lvx_plan_options.operation(options, operation);
    lvx_plan_options.strategy(options, code(strategy));
    setSizes(problem.sizes());
    setShards(problem);
    if (problem.bias() != null) {
      setBias(problem, problem.bias());
    }
    lvx_plan_options.layout(options, problem.stridedQueries() ? Lvx.LVX_PLAN_STRIDED_Q() : 0);
  }

  /**
   * Records a call of attention.
   *
   * @param pass FORWARD or BACKWARD
   * @param strategy not AUTO
   */
  static Recording of(
      AttentionProblem problem,
      Pass pass,
      Strategy strategy,
      int ranksPerNode,
      KernelScratch scratch) {
    int operation =
        pass == Pass.FORWARD ? Lvx.LVX_OPERATION_FORWARD() : Lvx.LVX_OPERATION_BACKWARD();
    Recording recording = new Recording(problem, operation, strategy, scratch);
    lvx_plan_options.ranks_per_node(recording.options, ranksPerNode);
    return recording;
  }

  /**
   * Records a call of attention over keys and values that are projected tile by tile.
   *
   * @param pass FORWARD or BACKWARD
   */
  static Recording ofTiles(
      AttentionProblem problem,
      VisualSizes features,
      long tileRows,
      Pass pass,
      KernelScratch scratch) {
    int operation =
        pass == Pass.FORWARD
            ? Lvx.LVX_OPERATION_VISUAL_FORWARD()
            : Lvx.LVX_OPERATION_VISUAL_BACKWARD();
    Recording recording = new Recording(problem, operation, Strategy.QUERY_GATHER, scratch);
    MemorySegment options = recording.options;
    lvx_plan_options.width(options, features.width());
    lvx_plan_options.tile_rows(options, tileRows);
    // This layout has the largest product, so its scratch suffices for the others.
    lvx_plan_options.key_value_layout(options, Lvx.LVX_KEY_VALUE_CONCATENATED());
    lvx_plan_options.input_norm(options, norm(features.inputNorm()));
    lvx_plan_options.key_norm(options, norm(features.keyNorm()));
    return recording;
  }

  private static int norm(boolean wanted) {
    return wanted ? Lvx.LVX_NORM_RMS() : Lvx.LVX_NORM_NONE();
  }

  private static int code(Strategy strategy) {
    return switch (strategy) {
      case QUERY_RING -> Lvx.LVX_QUERY_RING();
      case QUERY_GATHER -> Lvx.LVX_QUERY_GATHER();
      case KV_RING -> Lvx.LVX_KV_RING();
      case KV_GATHER -> Lvx.LVX_KV_GATHER();
      case HEAD_ALL_TO_ALL -> Lvx.LVX_HEAD_ALL_TO_ALL();
      case TWO_LEVEL -> Lvx.LVX_TWO_LEVEL();
      case AUTO ->
          throw new IllegalArgumentException("strategy is AUTO; another strategy was expected");
    };
  }

  private static int code(DType dtype) {
    return dtype == DType.BFLOAT16 ? Lvx.LVX_BFLOAT() : Lvx.LVX_FLOAT();
  }

  private void setSizes(AttentionSizes sizes) {
    lvx_plan_options.dtype_code(options, code(sizes.dtype()));
    lvx_plan_options.dtype_bits(options, sizes.dtype().bytes() * Byte.SIZE);
    lvx_plan_options.query_heads(options, sizes.heads());
    lvx_plan_options.key_heads(options, sizes.keyValueHeads());
    lvx_plan_options.head_dim(options, sizes.headDim());
    lvx_plan_options.batch(options, sizes.batch());
  }

  private void setShards(AttentionProblem problem) {
    int ranks = problem.ranks();
    lvx_plan_options.ranks(options, ranks);
    lvx_plan_options.queries(options, longs(problem.shards().queries()));
    lvx_plan_options.keys(options, longs(problem.shards().keys()));
    RankVisibility rankVisibility = problem.rankVisibility();
    if (!rankVisibility.hasVisibility()) {
      return;
    }
    MemorySegment ranges = arena.allocate(ValueLayout.JAVA_LONG, ranks);
    MemorySegment sees = arena.allocate((long) ranks * ranks);
    for (int home = 0; home < ranks; home++) {
      ranges.setAtIndex(ValueLayout.JAVA_LONG, home, rankVisibility.ranges(home));
      for (int rank = 0; rank < ranks; rank++) {
        boolean seen = rankVisibility.sees(home, rank);
        sees.set(ValueLayout.JAVA_BYTE, (long) home * ranks + rank, (byte) (seen ? 1 : 0));
      }
    }
    lvx_plan_options.ranges(options, ranges);
    lvx_plan_options.sees(options, sees);
  }

  private void setBias(AttentionProblem problem, BiasShape bias) {
    AttentionSizes sizes = problem.sizes();
    lvx_plan_options.bias_dtype_code(options, code(bias.dtype()));
    lvx_plan_options.bias_dtype_bits(options, bias.dtype().bytes() * Byte.SIZE);
    lvx_plan_options.bias_batch(options, bias.perBatchItem() ? sizes.batch() : 1);
    lvx_plan_options.bias_heads(options, bias.perHead() ? sizes.heads() : 1);
    lvx_plan_options.bias_rows(options, bias.perQuery() ? problem.shards().allQueries() : 1);
    lvx_plan_options.bias_gradient(options, bias.gradient() ? 1 : 0);
  }

  private MemorySegment longs(List<Long> values) {
    return arena.allocateFrom(
        ValueLayout.JAVA_LONG, values.stream().mapToLong(Long::longValue).toArray());
  }

  /**
   * Records a rank's call without its steps; {@link #costs} then refers to it.
   *
   * @return why the strategy cannot serve the problem, or null if it can
   */
  @Nullable String record(int rank) {
    return call(rank, MemorySegment.NULL, 0);
  }

  /**
   * Records a rank's call with its steps; {@link #program} and {@link #costs} then refer to it.
   *
   * @return as {@link #record}
   */
  @Nullable String recordSteps(int rank) {
    if (capacity == 0) {
      reserve((long) STEPS_PER_RANK * lvx_plan_options.ranks(options));
    }
    String obstacle = call(rank, steps, capacity);
    if (obstacle == null && steps() > capacity) {
      reserve(steps() + steps() / 4);
      obstacle = call(rank, steps, capacity);
    }
    return obstacle;
  }

  private void reserve(long entries) {
    steps = lvx_plan_step.allocateArray(entries, arena);
    capacity = entries;
  }

  private long steps() {
    return count.get(ValueLayout.JAVA_LONG, 0);
  }

  private @Nullable String call(int rank, MemorySegment steps, long capacity) {
    int status =
        Lvx.lvx_plan_rank(scratch.handle(), options, rank, steps, capacity, count, statistics);
    if (status == Lvx.LVX_OK()) {
      return null;
    }
    String message = lastError();
    if (status == Lvx.LVX_UNSUPPORTED()) {
      return message;
    }
    throw status == Lvx.LVX_INVALID_ARGUMENT()
        ? new IllegalArgumentException(message)
        : new IllegalStateException(message);
  }

  private String lastError() {
    MemorySegment error = lvx_error.allocate(arena);
    lvx_error.struct_size(error, lvx_error.sizeof());
    Lvx.lvx_last_error(error);
    return lvx_error.message(error).getString(0);
  }

  /** The steps of the latest recording. */
  RankProgram program(StepCosts costs) {
    RankProgram program = new RankProgram();
    long recorded = steps();
    for (long i = 0; i < recorded; i++) {
      add(program, lvx_plan_step.asSlice(steps, i), costs);
    }
    return program;
  }

  private static void add(RankProgram program, MemorySegment step, StepCosts costs) {
    int kind = lvx_plan_step.kind(step);
    if (kind == Lvx.LVX_PLAN_SEND() || kind == Lvx.LVX_PLAN_RECEIVE()) {
      program.start(
          Math.toIntExact(lvx_plan_step.ticket(step)),
          kind == Lvx.LVX_PLAN_SEND(),
          lvx_plan_step.peer(step),
          lvx_plan_step.bytes(step));
    } else if (kind == Lvx.LVX_PLAN_WAIT()) {
      program.await(Math.toIntExact(lvx_plan_step.ticket(step)));
    } else if (kind == Lvx.LVX_PLAN_ATTENTION()) {
      program.compute(
          costs.attentionSeconds(
              lvx_plan_step.query_rank(step),
              lvx_plan_step.key_rank(step),
              lvx_plan_step.queries(step),
              lvx_plan_step.keys(step),
              lvx_plan_step.query_heads(step),
              lvx_plan_step.key_heads(step)));
    } else if (kind == Lvx.LVX_PLAN_PRODUCT()) {
      program.compute(costs.productSeconds(lvx_plan_step.flops(step)));
    } else {
      program.compute(
          costs.memorySeconds(lvx_plan_step.bytes_read(step) + lvx_plan_step.bytes_written(step)));
    }
  }

  /** Messages and memory of the latest recording. */
  RankPlan costs(double computeSeconds) {
    return new RankPlan(
        lvx_statistics.bytes_sent(statistics),
        lvx_statistics.messages_sent(statistics),
        lvx_statistics.inter_node_bytes_sent(statistics),
        lvx_statistics.peak_bytes(statistics),
        computeSeconds);
  }

  @Override
  public void close() {
    arena.close();
  }
}
