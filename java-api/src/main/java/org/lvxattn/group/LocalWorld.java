// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.lvxattn.CpuOptions;
import org.lvxattn.Device;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.handle.Handles;
import org.lvxattn.internal.memory.Reachability;

/**
 * Joins threads of this process as the ranks of one group. Any thread may use it.
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
  private final LinkEmulation emulation;
  private boolean closed;

  private LocalWorld(
      WorldResource resource, int size, GroupOptions options, LinkEmulation emulation) {
    this.resource = resource;
    this.size = size;
    this.options = options;
    this.emulation = emulation;
    resource.watch(this);
  }

  /**
   * Creates a world with default options.
   *
   * @param size number of ranks, 1 to 4096
   * @throws IllegalArgumentException if size is out of range
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   */
  public static LocalWorld of(int size) {
    return of(size, GroupOptions.defaults());
  }

  /**
   * Creates a world.
   *
   * @param size number of ranks, 1 to 4096
   * @param options of the groups of its ranks
   * @throws NullPointerException if options is null
   * @throws IllegalArgumentException if size is out of range
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   */
  public static LocalWorld of(int size, GroupOptions options) {
    return of(size, options, LinkEmulation.none());
  }

  /**
   * As {@link #of(int, GroupOptions)}, with emulated links.
   *
   * @param emulation how long messages between the ranks take
   * @throws NullPointerException if options or emulation is null
   */
  public static LocalWorld of(int size, GroupOptions options, LinkEmulation emulation) {
    if (size < 1 || size > MAX_SIZE) {
      throw new IllegalArgumentException(
          "size is " + size + "; 1 to " + MAX_SIZE + " ranks were expected");
    }
    Preconditions.present(options, "options");
    Preconditions.present(emulation, "emulation");
    NativeCalls.load();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(
          Lvx.lvx_local_world_create(size, options.toNative(arena, emulation), handle));
      return new LocalWorld(
          new WorldResource(handle.get(ValueLayout.JAVA_LONG, 0)), size, options, emulation);
    }
  }

  /** Number of ranks. */
  public int size() {
    return size;
  }

  /**
   * Joins as one rank of the group. Each rank joins once and has its own device. Does not wait for
   * the other ranks: the first collective operation does.
   *
   * @param rank 0 to size - 1
   * @param device the rank's device
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
    Handles.requireUsable(device, "device");
    requireOpen();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(
          Lvx.lvx_local_world_join(resource.handle, rank, Handles.handle(device), handle));
      Reachability.keep(this);
      return new Group(device, handle.get(ValueLayout.JAVA_LONG, 0), options, emulation);
    }
  }

  /**
   * Closes the world: no rank can join any more. Existing groups stay usable. Closing it again does
   * nothing.
   */
  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    resource.close();
    closed = true;
  }

  /**
   * Runs a task on every rank of a new local group. Each rank has its own thread and CPU device;
   * the devices share the process's cores evenly. The threads are platform threads, whatever the
   * calling thread is. If that is interrupted, so are they.
   *
   * @param size number of ranks, 1 to 4096
   * @param task what each rank does
   * @return the results in rank order
   * @throws NullPointerException if task is null
   * @throws IllegalArgumentException if size is out of range
   * @throws RuntimeException the exception of a rank's task: the first failure that another rank
   *     did not cause, with those of the other ranks suppressed. A checked exception is wrapped in
   *     an {@link IllegalStateException}
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
    return run(size, options, LinkEmulation.none(), task);
  }

  /**
   * As {@link #run(int, GroupOptions, RankTask)}, with emulated links.
   *
   * @param size number of ranks, 1 to 4096
   * @param options of the group
   * @param emulation how long messages between the ranks take
   * @param task what each rank does
   * @return the results in rank order
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if size is out of range
   */
  public static <R extends @Nullable Object> List<R> run(
      int size, GroupOptions options, LinkEmulation emulation, RankTask<R> task) {
    int share = Math.max(1, Runtime.getRuntime().availableProcessors() / Math.max(1, size));
    CpuOptions cores = CpuOptions.builder().threads(share).build();
    return run(size, options, emulation, rank -> Device.cpu(cores), task);
  }

  /**
   * As {@link #run(int, RankTask)}, with options and with devices that the caller opens: {@code
   * rank -> Device.cuda(0)} for several ranks on one GPU.
   *
   * @param size number of ranks, 1 to 4096
   * @param options of the group
   * @param devices opens a new device for a rank; all must be of one kind. It is closed when the
   *     rank has ended
   * @param task what each rank does
   * @return the results in rank order
   * @throws NullPointerException if options, devices or task is null
   * @throws IllegalArgumentException if size is out of range
   */
  public static <R extends @Nullable Object> List<R> run(
      int size, GroupOptions options, IntFunction<Device> devices, RankTask<R> task) {
    return run(size, options, LinkEmulation.none(), devices, task);
  }

  /**
   * As {@link #run(int, GroupOptions, IntFunction, RankTask)}, with emulated links.
   *
   * @param size number of ranks, 1 to 4096
   * @param options of the group
   * @param emulation how long messages between the ranks take
   * @param devices opens the device of a rank
   * @param task what each rank does
   * @return the results in rank order
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if size is out of range
   */
  public static <R extends @Nullable Object> List<R> run(
      int size,
      GroupOptions options,
      LinkEmulation emulation,
      IntFunction<Device> devices,
      RankTask<R> task) {
    Preconditions.present(devices, "devices");
    Preconditions.present(task, "task");
    try (LocalWorld world = of(size, options, emulation)) {
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
