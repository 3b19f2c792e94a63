// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_attention_backend_choice;
import org.lvxattn.bindings.generated.lvx_cpu_options;
import org.lvxattn.bindings.generated.lvx_cuda_options;
import org.lvxattn.bindings.generated.lvx_device_info;
import org.lvxattn.internal.Ownership;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.memory.DeviceResource;
import org.lvxattn.internal.memory.Reachability;

/**
 * A processor and its memory: {@link #cpu()}, or {@link #cuda(int)} for a GPU. The same programs
 * run on both.
 *
 * <p>CUDA calls are asynchronous: they return once their work is enqueued. They execute in order,
 * and {@link #synchronize} waits for all of them. Copies to the host ({@link Tensor#toFloats} and
 * others) block. The next call that waits reports a failure of enqueued work.
 *
 * <p>A device and all tensors, groups and layers on it belong to one thread at a time: at first the
 * one that opened the device. Use from any other thread throws a {@link WrongThreadException}.
 *
 * <ul>
 *   <li>{@link #release} leaves the device to whichever thread takes it next by {@link #acquire},
 *       for the time of a {@link DeviceLease}: a service parks its devices like that.
 *   <li>{@link #handOver} gives it to one certain thread.
 *   <li>{@link #reclaim} takes it from a thread that has ended.
 * </ul>
 *
 * <p>What one owner did happens before what the next one does. Any thread may read what the device
 * is and how much memory it uses. For concurrency, each thread uses a device of its own, as the
 * ranks of a {@link org.lvxattn.group.LocalWorld} do. A device itself may use several cores.
 */
public final class Device implements AutoCloseable {
  private final DeviceResource resource;
  private final Kind kind;
  private final int ordinal;
  private final int threads;
  private final String name;

  private final Ownership ownership = new Ownership();

  private Device(DeviceResource resource) {
    this.resource = resource;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = query(arena);
      kind = lvx_device_info.kind(info) == Lvx.LVX_CPU() ? Kind.CPU : Kind.CUDA;
      ordinal = lvx_device_info.ordinal(info);
      threads = lvx_device_info.threads(info);
      name = lvx_device_info.name(info).getString(0);
    }
    resource.watch(this);
  }

  /** What kind of processor a device is. */
  public enum Kind {
    /** The processor the JVM runs on; memory is the process's own. */
    CPU(Lvx.LVX_CPU()),
    /** An NVIDIA GPU, whose memory the host cannot read. */
    CUDA(Lvx.LVX_CUDA());

    private final int code;

    Kind(int code) {
      this.code = code;
    }

    /** DLPack's device type code. */
    int code() {
      return code;
    }
  }

  /**
   * Opens a CPU device with as many threads as the JVM counts processors ({@link
   * Runtime#availableProcessors}).
   *
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   * @throws LvxException if its threads cannot be started
   */
  public static Device cpu() {
    return cpu(CpuOptions.defaults());
  }

  /**
   * Opens a CPU device.
   *
   * @throws NullPointerException if options is null
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   * @throws LvxException if its threads cannot be started
   */
  public static Device cpu(CpuOptions options) {
    Preconditions.present(options, "options");
    NativeCalls.load();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment struct = lvx_cpu_options.allocate(arena);
      lvx_cpu_options.struct_size(struct, lvx_cpu_options.sizeof());
      lvx_cpu_options.threads(struct, options.threadsToStart());
      lvx_cpu_options.memory_budget(struct, options.memoryBudget());
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(Lvx.lvx_device_open_cpu(struct, handle));
      return new Device(new DeviceResource(handle.get(ValueLayout.JAVA_LONG, 0)));
    }
  }

  /**
   * Opens an NVIDIA GPU.
   *
   * @param ordinal index of the GPU in the CUDA runtime, from 0
   * @throws IllegalArgumentException if there is no such GPU
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   * @throws LvxException with {@link Status#MISSING_LIBRARY} if the build has no CUDA device, or
   *     there is no driver or no GPU; the message says which
   * @throws UnsupportedRequestException if the GPU is older than compute capability 8.0
   */
  public static Device cuda(int ordinal) {
    return cuda(CudaOptions.builder().ordinal(ordinal).build());
  }

  /**
   * Opens an NVIDIA GPU. Several devices may share one GPU; each has its own stream and memory.
   *
   * @throws NullPointerException if options is null
   * @throws IllegalArgumentException if there is no such GPU
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   * @throws LvxException with {@link Status#MISSING_LIBRARY} if the build has no CUDA device, or
   *     there is no driver, no GPU, or no cuDNN where {@link AttentionBackend#CUDNN} is wanted; the
   *     message says which
   * @throws UnsupportedRequestException if the GPU is older than compute capability 8.0
   */
  public static Device cuda(CudaOptions options) {
    Preconditions.present(options, "options");
    NativeCalls.load();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment struct = lvx_cuda_options.allocate(arena);
      lvx_cuda_options.struct_size(struct, lvx_cuda_options.sizeof());
      lvx_cuda_options.ordinal(struct, options.ordinal());
      lvx_cuda_options.attention_backend(struct, options.attentionBackend().code());
      lvx_cuda_options.memory_budget(struct, options.memoryBudget());
      lvx_cuda_options.stream(struct, options.stream());
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(Lvx.lvx_device_open_cuda(struct, handle));
      return new Device(new DeviceResource(handle.get(ValueLayout.JAVA_LONG, 0)));
    }
  }

  /** What kind of processor this is. */
  public Kind kind() {
    return kind;
  }

  /** Index of the GPU in the CUDA runtime, as passed to {@link #cuda}; 0 for a CPU. */
  public int ordinal() {
    return ordinal;
  }

  /**
   * Properties of the GPU; empty for a CPU. Any thread may call this.
   *
   * @throws IllegalStateException if the device was closed
   */
  public Optional<GpuProperties> gpu() {
    ownership.requireOpen("device");
    if (kind == Kind.CPU) {
      return Optional.empty();
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = query(arena);
      return Optional.of(
          new GpuProperties(
              lvx_device_info.compute_major(info),
              lvx_device_info.compute_minor(info),
              lvx_device_info.multiprocessors(info),
              lvx_device_info.memory_total(info),
              lvx_device_info.memory_free(info)));
    }
  }

  /**
   * Waits until all enqueued work is done. On a CPU it returns at once, since calls are synchronous
   * there.
   *
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws DeviceFailedException if enqueued work failed
   */
  public void synchronize() {
    requireUsable("device");
    NativeCalls.check(Lvx.lvx_device_synchronize(resource.handle));
    Reachability.keep(this);
  }

  /** Number of host threads that compute, including the calling thread; 1 for a GPU. */
  public int threads() {
    return threads;
  }

  /** A name for users: the instruction set in use, or the GPU's name. */
  public String name() {
    return name;
  }

  /**
   * Bytes that tensors and workspaces hold now. Any thread may call this, even during a call of the
   * device's owner.
   *
   * @throws IllegalStateException if the device was closed
   */
  public long bytesInUse() {
    ownership.requireOpen("device");
    try (Arena arena = Arena.ofConfined()) {
      return lvx_device_info.bytes_in_use(query(arena));
    }
  }

  /**
   * The largest {@link #bytesInUse} so far. Any thread may call this.
   *
   * @throws IllegalStateException if the device was closed
   */
  public long peakBytes() {
    ownership.requireOpen("device");
    try (Arena arena = Arena.ofConfined()) {
      return lvx_device_info.peak_bytes(query(arena));
    }
  }

  /**
   * Loads cuDNN as {@link AttentionBackend#CUDNN} does. Needs no GPU.
   *
   * @return its version, for instance {@code 9.24.0}
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   * @throws LvxException with {@link Status#MISSING_LIBRARY} if the build has no CUDA device, or
   *     there is no cuDNN of 9.17 or later; the message says which, and what to install
   */
  public static String loadCudnn() {
    NativeCalls.load();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment version = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(Lvx.lvx_device_load_cudnn(version));
      long number = version.get(ValueLayout.JAVA_LONG, 0);
      return number / 10000 + "." + number / 100 % 100 + "." + number % 100;
    }
  }

  /**
   * The choices of {@link AttentionBackend#AUTO} on this device's GPU so far; empty for a CPU. Any
   * thread may call this.
   *
   * @throws IllegalStateException if the device was closed
   */
  public List<AttentionBackendChoice> attentionBackendChoices() {
    ownership.requireOpen("device");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(
          Lvx.lvx_device_attention_backend_choices(resource.handle, MemorySegment.NULL, 0, count));
      long capacity = count.get(ValueLayout.JAVA_LONG, 0);
      MemorySegment choices =
          lvx_attention_backend_choice.allocateArray(Math.max(capacity, 1), arena);
      NativeCalls.check(
          Lvx.lvx_device_attention_backend_choices(resource.handle, choices, capacity, count));
      Reachability.keep(this);
      // Other devices of the GPU may have added choices in between.
      long copied = Math.min(capacity, count.get(ValueLayout.JAVA_LONG, 0));
      List<AttentionBackendChoice> result = new ArrayList<>();
      for (long i = 0; i < copied; i++) {
        result.add(AttentionBackendChoice.read(lvx_attention_backend_choice.asSlice(choices, i)));
      }
      return List.copyOf(result);
    }
  }

  /** The thread that may use the device and everything on it; null if it was released or closed. */
  public @Nullable Thread owner() {
    return ownership.owner();
  }

  /**
   * Transfers the device and everything on it to another thread. Earlier writes of this thread are
   * visible to the new owner.
   *
   * @param next the new owner
   * @throws NullPointerException if next is null
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if the caller does not own the device
   */
  public void handOver(Thread next) {
    ownership.handOver(Preconditions.present(next, "next"));
  }

  /**
   * Leaves the device and everything on it to the next thread that acquires it. Until then nobody
   * may use it, but any thread may close it.
   *
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if the caller does not own the device
   * @since 0.2.0
   */
  public void release() {
    ownership.release();
  }

  /**
   * Takes the device and everything on it for the calling thread, until the lease is closed. Waits
   * until no thread owns the device; threads get it in the order in which they began to wait.
   * Earlier writes of the threads that owned it are visible to this one.
   *
   * <p>If the caller owns the device already, it returns at once, and closing the lease does not
   * release the device.
   *
   * @return the lease, for try-with-resources
   * @throws InterruptedException if the thread is interrupted while it waits
   * @throws IllegalStateException if the device was closed, also while it waits
   * @since 0.2.0
   */
  public DeviceLease acquire() throws InterruptedException {
    DeviceLease lease = new DeviceLease(this, ownership);
    ownership.acquire(lease);
    return lease;
  }

  /**
   * As {@link #acquire}, with a time limit.
   *
   * @param timeout the longest wait; 0 or less: no wait, and those that wait already go first
   * @return the lease, or null if other threads owned the device all the time
   * @throws NullPointerException if timeout is null
   * @throws InterruptedException if the thread is interrupted while it waits
   * @throws IllegalStateException if the device was closed, also while it waits
   * @since 0.2.0
   */
  public @Nullable DeviceLease tryAcquire(Duration timeout) throws InterruptedException {
    long nanoseconds =
        TimeUnit.NANOSECONDS.convert(Preconditions.present(timeout, "timeout")); // saturates
    DeviceLease lease = new DeviceLease(this, ownership);
    return ownership.tryAcquire(lease, nanoseconds) ? lease : null;
  }

  /**
   * Takes the device and everything on it from an owner that has ended without releasing it; the
   * calling thread owns it then. Does nothing if it does already.
   *
   * @throws IllegalStateException if the device was closed, or belongs to no thread
   * @throws WrongThreadException if the owner has not ended; the message names it
   * @since 0.2.0
   */
  public void reclaim() {
    ownership.reclaim();
  }

  /**
   * Stops the threads and frees everything. The owner may close it, or any thread if it was
   * released. Closing it again does nothing.
   *
   * @throws IllegalStateException if tensors or groups of this device are open (the message says
   *     how many, and the suppressed exceptions where they were made if {@link
   *     LeakDetector.Mode#TRACE} is on; the device stays usable)
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    ownership.close(resource::close);
  }

  boolean isOpen() {
    return !ownership.isClosed();
  }

  /** Whether segments of its memory can be read and written in Java. */
  boolean hasHostMemory() {
    return kind == Kind.CPU;
  }

  /** The native device; check {@link #requireUsable} first. */
  long handle() {
    return resource.handle;
  }

  DeviceResource resource() {
    return resource;
  }

  Ownership ownership() {
    return ownership;
  }

  /**
   * Checks that it is open and owned by this thread; {@code what} names the argument for messages.
   */
  void requireUsable(String what) {
    ownership.requireUsable(what);
  }

  void requireOwner(String what) {
    ownership.requireOwner(what);
  }

  private MemorySegment query(Arena arena) {
    MemorySegment info = lvx_device_info.allocate(arena);
    lvx_device_info.struct_size(info, lvx_device_info.sizeof());
    NativeCalls.check(Lvx.lvx_device_query(resource.handle, info));
    Reachability.keep(this);
    return info;
  }

  @Override
  public String toString() {
    String what = kind == Kind.CPU ? ", " + threads + " threads" : ", cuda:" + ordinal;
    return "Device[" + name + what + (ownership.isClosed() ? ", closed]" : "]");
  }
}
