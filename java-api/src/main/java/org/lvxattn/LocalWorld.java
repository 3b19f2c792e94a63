// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;

/**
 * A meeting place for threads of this process that are the ranks of one group. Any thread may use
 * it.
 *
 * <pre>{@code
 * List<float[]> outputs = LocalWorld.run(4, group -> {
 *   try (Tensor q = ...; Tensor k = ...; Tensor v = ...;
 *        AttentionForward forward = attention.forward(group, q, k, v)) {
 *     return forward.output().toFloats();
 *   }
 * });
 * }</pre>
 */
public final class LocalWorld implements AutoCloseable {
  private static final int MAX_SIZE = 4096;

  private final WorldResource resource;
  private final int size;
  private final GroupOptions options;
  private boolean closed;

  private LocalWorld(WorldResource resource, int size, GroupOptions options) {
    this.resource = resource;
    this.size = size;
    this.options = options;
    resource.watch(this);
  }

  /**
   * A world with default options.
   *
   * @param size number of ranks, 1 to 4096
   * @throws IllegalArgumentException if size is out of range
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   */
  public static LocalWorld of(int size) {
    return of(size, GroupOptions.defaults());
  }

  /**
   * A world.
   *
   * @param size number of ranks, 1 to 4096
   * @param options of the groups that its ranks make
   * @throws NullPointerException if options is null
   * @throws IllegalArgumentException if size is out of range
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   */
  public static LocalWorld of(int size, GroupOptions options) {
    if (size < 1 || size > MAX_SIZE) {
      throw new IllegalArgumentException(
          "size is " + size + "; 1 to " + MAX_SIZE + " ranks were expected");
    }
    Arguments.present(options, "options");
    NativeCalls.load();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(Lvx.lvx_local_world_create(size, options.toNative(arena), handle));
      return new LocalWorld(new WorldResource(handle.get(ValueLayout.JAVA_LONG, 0)), size, options);
    }
  }

  /** Number of ranks. */
  public int size() {
    return size;
  }

  /**
   * Makes one rank of the group. Each rank is taken once and has a device of its own. Does not wait
   * for the other ranks: the first collective operation does.
   *
   * @param rank 0 to size - 1
   * @param device what the rank computes with
   * @throws NullPointerException if device is null
   * @throws IllegalArgumentException if rank is out of range
   * @throws IllegalStateException if the rank is taken, or the world or the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public synchronized Group join(int rank, Device device) {
    if (rank < 0 || rank >= size) {
      throw new IllegalArgumentException(
          "rank is " + rank + "; 0 to " + (size - 1) + " was expected");
    }
    Arguments.present(device, "device").requireUsable("device");
    requireOpen();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(Lvx.lvx_local_world_join(resource.handle, rank, device.handle(), handle));
      Reachability.keep(this);
      return new Group(device, handle.get(ValueLayout.JAVA_LONG, 0), options);
    }
  }

  /**
   * No rank can join any more; groups already made go on.
   *
   * @throws IllegalStateException if the world was closed already
   */
  @Override
  public synchronized void close() {
    requireOpen();
    resource.close();
    closed = true;
  }

  /**
   * Runs a task on every rank of a new local group, each on a thread of its own with a CPU device
   * of its own; the devices share the process's cores evenly.
   *
   * @param size number of ranks, 1 to 4096
   * @param task what each rank does
   * @return the results in rank order
   * @throws NullPointerException if task is null
   * @throws IllegalArgumentException if size is out of range
   * @throws RuntimeException whatever a rank's task threw: the first failure that was not caused by
   *     another rank's, with those of the other ranks suppressed
   */
  public static <R extends @Nullable Object> List<R> run(int size, RankTask<R> task) {
    return run(size, GroupOptions.defaults(), task);
  }

  /**
   * As {@link #run(int, RankTask)}, with options.
   *
   * @param size number of ranks, 1 to 4096
   * @param options of the group
   * @param task what each rank does
   * @return the results in rank order
   * @throws NullPointerException if options or task is null
   * @throws IllegalArgumentException if size is out of range
   */
  public static <R extends @Nullable Object> List<R> run(
      int size, GroupOptions options, RankTask<R> task) {
    Arguments.present(task, "task");
    int share = Math.max(1, Runtime.getRuntime().availableProcessors() / Math.max(1, size));
    return run(size, options, rank -> Device.cpu(CpuOptions.defaults().withThreads(share)), task);
  }

  /**
   * As {@link #run(int, RankTask)}, with options and with devices of the caller's choice: {@code
   * rank -> Device.cuda(0)} for several ranks on one GPU.
   *
   * @param size number of ranks, 1 to 4096
   * @param options of the group
   * @param devices opens the device of a rank, one of its own, all of one kind; it is closed when
   *     the rank has ended
   * @param task what each rank does
   * @return the results in rank order
   * @throws NullPointerException if options, devices or task is null
   * @throws IllegalArgumentException if size is out of range
   */
  public static <R extends @Nullable Object> List<R> run(
      int size, GroupOptions options, IntFunction<Device> devices, RankTask<R> task) {
    Arguments.present(devices, "devices");
    Arguments.present(task, "task");
    try (LocalWorld world = of(size, options)) {
      return new RankThreads<>(world, devices, task).run();
    }
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("world: it was closed; an open one was expected");
    }
  }

  @Override
  public String toString() {
    return "LocalWorld[" + size + " ranks]";
  }
}
