// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.serving;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.KeyValues;
import org.lvxattn.SharedKeyValues;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.group.Group;

/** One device of a pool, and the thread that owns it and computes batches. */
final class PoolWorker implements Runnable {
  private final CrossAttention attention;
  private final Supplier<Device> opening;
  private final int maxRows;
  private final RequestQueue queue;
  private final Executor completions;
  private final PoolCounters counters;
  private final CompletableFuture<@Nullable Void> ready = new CompletableFuture<>();
  private final Map<DType, Buffers> buffers = new EnumMap<>(DType.class);
  private final Statistics statistics = Statistics.create();

  PoolWorker(
      CrossAttention attention,
      Supplier<Device> opening,
      int maxRows,
      RequestQueue queue,
      Executor completions,
      PoolCounters counters) {
    this.attention = attention;
    this.opening = opening;
    this.maxRows = maxRows;
    this.queue = queue;
    this.completions = completions;
    this.counters = counters;
  }

  /** The tensors of batches with one dtype of keys. */
  private record Buffers(TensorScope scope, Tensor q, Tensor o, Tensor lse) {
    static Buffers allocate(Device device, DType dtype, CrossAttention attention, int rows) {
      int heads = attention.heads();
      TensorScope scope = new TensorScope(device);
      try {
        Tensor q = scope.allocate(dtype, 1, rows, heads, attention.headDim());
        Tensor o = scope.like(q);
        return new Buffers(scope, q, o, scope.allocate(dtype.accumulator(), 1, heads, rows));
      } catch (RuntimeException | Error e) {
        scope.close();
        throw e;
      }
    }
  }

  /** Done once the device is open; fails if it cannot be opened. */
  CompletableFuture<@Nullable Void> ready() {
    return ready;
  }

  @Override
  public void run() {
    try (Device device = opening.get();
        Group group = Group.self(device)) {
      ready.complete(null);
      try {
        serve(group);
      } finally {
        buffers.values().forEach(own -> own.scope().close());
      }
    } catch (RuntimeException | Error e) {
      ready.completeExceptionally(e);
    }
  }

  private void serve(Group group) {
    while (true) {
      List<PendingRequest> batch = queue.take();
      if (batch.isEmpty()) {
        return;
      }
      long begin = System.nanoTime();
      batch.forEach(request -> counters.waitNanos.add(begin - request.submittedNanos));
      counters.batches.increment();
      AttentionResult[] results = new AttentionResult[batch.size()];
      Throwable failure = null;
      try {
        compute(group, batch, results);
      } catch (RuntimeException | Error e) {
        failure = e;
      }
      counters.computeNanos.add(System.nanoTime() - begin);
      for (int i = 0; i < results.length; i++) {
        end(batch.get(i), results[i], failure);
      }
    }
  }

  private void compute(Group group, List<PendingRequest> batch, AttentionResult[] results) {
    Device device = group.device();
    SharedKeyValues shared = batch.getFirst().request.keyValues();
    Buffers room =
        buffers.computeIfAbsent(
            shared.dtype(), dtype -> Buffers.allocate(device, dtype, attention, maxRows));
    int rows = batch.stream().mapToInt(request -> request.rows).sum();
    try (KeyValues local = shared.on(device);
        TensorScope views = new TensorScope(device)) {
      int row = 0;
      for (PendingRequest next : batch) {
        views.add(room.q.slice(1, row, row + next.rows)).copyFrom(next.request.q());
        row += next.rows;
      }
      AttentionInputs inputs =
          new AttentionInputs(
              views.add(room.q.slice(1, 0, rows)),
              local.key(),
              local.value(),
              BatchMask.of(device, views, batch, shared.keys()));
      AttentionOutputs outputs =
          new AttentionOutputs(
              views.add(room.o.slice(1, 0, rows)), views.add(room.lse.slice(2, 0, rows)));
      attention.forwardInto(group, inputs, outputs, statistics);
      row = 0;
      for (int i = 0; i < results.length; i++) {
        int next = row + batch.get(i).rows;
        results[i] =
            new AttentionResult(
                views.add(room.o.slice(1, row, next)).toFloats(),
                views.add(room.lse.slice(2, row, next)).toFloats());
        row = next;
      }
    }
    counters.rows.add(rows);
  }

  private void end(PendingRequest request, AttentionResult result, @Nullable Throwable failure) {
    request.end(); // first, so that whoever sees the result may close the keys and values
    Runnable completion =
        () -> {
          boolean first =
              failure == null
                  ? request.future.complete(result)
                  : request.future.completeExceptionally(failure);
          (!first ? counters.cancelled : failure == null ? counters.completed : counters.failed)
              .increment();
        };
    try {
      completions.execute(completion);
    } catch (RejectedExecutionException e) {
      completion.run();
    }
  }
}
