// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.serving;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.lvxattn.CrossAttention;
import org.lvxattn.Device;
import org.lvxattn.SharedKeyValues;
import org.lvxattn.internal.Preconditions;

/**
 * Devices on threads of their own that compute requests from any thread, virtual ones included.
 * Requests over the same {@link SharedKeyValues} are batched: while a batch is computed, others
 * gather in a bounded queue, and the next batch takes as many of them as fit. The keys and values
 * are then read once for all of them.
 *
 * <pre>{@code
 * try (AttentionPool pool = AttentionPool.builder(attention).maxRows(64).build()) {
 *   CompletableFuture<AttentionResult> result = pool.submit(AttentionRequest.of(video, q));
 *   ...
 * }
 * }</pre>
 *
 * <p>A result has the same accuracy as that of a call of its own, but not always the same bits,
 * because the rows of a batch decide which kernel runs.
 *
 * <p>Thread-safe.
 *
 * @since 0.2.0
 */
public final class AttentionPool implements AutoCloseable {
  private final CrossAttention attention;
  private final int maxRows;
  private final RequestQueue queue;
  private final PoolCounters counters = new PoolCounters();
  private final List<Thread> threads = new ArrayList<>();

  private AttentionPool(Builder builder) {
    attention = builder.attention;
    maxRows = builder.maxRows;
    queue = new RequestQueue(builder.queueCapacity, maxRows);
    List<Supplier<Device>> devices =
        builder.devices.isEmpty() ? List.of(Device::cpu) : builder.devices;
    List<PoolWorker> workers = new ArrayList<>();
    for (Supplier<Device> opening : devices) {
      PoolWorker worker =
          new PoolWorker(attention, opening, maxRows, queue, builder.completions, counters);
      workers.add(worker);
      threads.add(
          Thread.ofPlatform().daemon().name("lvxattn-pool-" + threads.size()).start(worker));
    }
    try {
      workers.forEach(worker -> worker.ready().join());
    } catch (CompletionException e) {
      close();
      if (e.getCause() instanceof RuntimeException cause) {
        cause.addSuppressed(e); // tells who asked for it
        throw cause;
      }
      throw e;
    }
  }

  /**
   * A builder of a pool.
   *
   * @param attention heads, headDim and scale of all requests
   * @throws NullPointerException if attention is null
   */
  public static Builder builder(CrossAttention attention) {
    return new Builder(Preconditions.present(attention, "attention"));
  }

  /**
   * Submits a request. The keys and values cannot be closed until it is done.
   *
   * <p>Cancelling the future removes the request from the queue, if it waits there; a batch that
   * has begun is not interrupted. If a batch fails, the futures of all its requests fail with the
   * exception.
   *
   * @throws NullPointerException if request is null
   * @throws IllegalArgumentException if the request does not fit this pool's attention or {@link
   *     Builder#maxRows}, or a range is wrong
   * @throws IllegalStateException if the keys and values were closed
   * @throws RejectedExecutionException if the queue is full, or the pool was closed
   */
  public CompletableFuture<AttentionResult> submit(AttentionRequest request) {
    PendingRequest pending = prepare(request);
    try {
      return enqueue(pending, 0);
    } catch (InterruptedException e) {
      throw new AssertionError("interrupted without a wait", e);
    }
  }

  /**
   * As {@link #submit(AttentionRequest)}, but waits for room in the queue.
   *
   * @param timeout the longest wait
   * @throws RejectedExecutionException if the queue is still full then, or the pool was closed
   * @throws InterruptedException if the thread is interrupted while it waits
   */
  public CompletableFuture<AttentionResult> submit(AttentionRequest request, Duration timeout)
      throws InterruptedException {
    long nanoseconds =
        TimeUnit.NANOSECONDS.convert(Preconditions.present(timeout, "timeout")); // saturates
    return enqueue(prepare(request), nanoseconds);
  }

  private PendingRequest prepare(AttentionRequest request) {
    SharedKeyValues shared = Preconditions.present(request, "request").keyValues();
    Preconditions.require(
        shared.batch() == 1
            && shared.keyValueHeads() == attention.keyValueHeads()
            && shared.headDim() == attention.headDim(),
        "keyValues",
        shared,
        "shape [1, keys, " + attention.keyValueHeads() + ", " + attention.headDim() + "]");
    int row = attention.heads() * attention.headDim();
    int length = request.q().length;
    Preconditions.require(
        length > 0 && length % row == 0,
        "q",
        length + " elements",
        "a multiple of heads times headDim, " + row + ", above 0");
    int rows = length / row;
    Preconditions.require(
        rows <= maxRows, "q", rows + " rows", "at most " + maxRows + ", the pool's maxRows,");
    if (request.visible() != null) {
      BatchMask.check(request.visible(), rows, shared.keys());
    }
    return new PendingRequest(request, rows);
  }

  private CompletableFuture<AttentionResult> enqueue(PendingRequest pending, long nanoseconds)
      throws InterruptedException {
    RequestQueue.Offer offer = RequestQueue.Offer.CLOSED;
    try {
      offer = queue.offer(pending, nanoseconds);
    } finally {
      if (offer != RequestQueue.Offer.ACCEPTED) {
        pending.end();
      }
    }
    switch (offer) {
      case ACCEPTED -> counters.submitted.increment();
      case FULL -> {
        counters.rejected.increment();
        throw new RejectedExecutionException(
            "the pool's queue is full: " + queue.size() + " requests wait");
      }
      case CLOSED -> throw new RejectedExecutionException("the pool was closed");
    }
    pending.future.whenComplete(
        (result, failure) -> {
          if (pending.future.isCancelled() && queue.remove(pending)) {
            counters.cancelled.increment();
            pending.end();
          }
        });
    return pending.future;
  }

  /** What the pool has done so far. Numbers that change meanwhile may not fit together. */
  public PoolStatistics statistics() {
    return counters.read(queue.size());
  }

  /**
   * Accepts no more requests, computes those that wait, and closes the devices. Closing again does
   * nothing. An interrupt does not end the wait; the thread's interrupt status stays set.
   */
  @Override
  public void close() {
    queue.close();
    boolean interrupted = false;
    for (Thread thread : threads) {
      while (thread.isAlive()) {
        try {
          thread.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Sets up an {@link AttentionPool}. */
  public static final class Builder {
    private static final int MAX_ROWS = 1 << 20;

    private final CrossAttention attention;
    private final List<Supplier<Device>> devices = new ArrayList<>();
    private int maxRows = 64;
    private int queueCapacity = 1024;
    private Executor completions = ForkJoinPool.commonPool();

    private Builder(CrossAttention attention) {
      this.attention = attention;
    }

    /**
     * Adds a device; without any, the pool has one CPU device of all cores.
     *
     * @param open opens the device, on the thread that will own it; for instance {@code
     *     Device::cpu}
     * @throws NullPointerException if open is null
     */
    public Builder device(Supplier<Device> open) {
      devices.add(Preconditions.present(open, "open"));
      return this;
    }

    /**
     * The most query rows of a batch, and of a request; 64 if not set.
     *
     * @throws IllegalArgumentException if it is not 1 to 1048576
     */
    public Builder maxRows(int rows) {
      Preconditions.require(rows >= 1 && rows <= MAX_ROWS, "rows", rows, "1 to " + MAX_ROWS);
      maxRows = rows;
      return this;
    }

    /**
     * The most requests that wait; 1024 if not set. Further ones are rejected, or wait to be
     * submitted.
     *
     * @throws IllegalArgumentException if it is not positive
     */
    public Builder queueCapacity(int requests) {
      queueCapacity = Preconditions.positive(requests, "requests");
      return this;
    }

    /**
     * Completes the futures, and so runs what depends on them; the common pool if not set.
     *
     * @throws NullPointerException if executor is null
     */
    public Builder completionExecutor(Executor executor) {
      completions = Preconditions.present(executor, "executor");
      return this;
    }

    /**
     * Opens the devices and starts their threads.
     *
     * @throws RuntimeException what the opening of a device threw
     */
    public AttentionPool build() {
      return new AttentionPool(this);
    }
  }
}
