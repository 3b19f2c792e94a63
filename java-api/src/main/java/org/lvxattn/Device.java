// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_attention_backend_choice;
import org.lvxattn.bindings.generated.lvx_cpu_options;
import org.lvxattn.bindings.generated.lvx_cuda_options;
import org.lvxattn.bindings.generated.lvx_device_info;
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
 * <p>A device and all tensors and groups on it are confined to one thread: the thread that opened
 * the device, until {@link #handOver} names another. Use from any other thread throws a {@link
 * WrongThreadException}. For concurrency, each thread opens its own device, as the ranks of a
 * {@link org.lvxattn.group.LocalWorld} do. A device itself may use several cores.
 */
public final class Device implements AutoCloseable {
  private final DeviceResource resource;
  private final Kind kind;
  private final int ordinal;
  private final int threads;
  private final String name;

  private volatile Thread owner = Thread.currentThread();
  private boolean closed;

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
   * Opens a CPU device that uses every core the process may use.
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
      lvx_cpu_options.threads(struct, options.threads());
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
   * Properties of the GPU; empty for a CPU.
   *
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Optional<GpuProperties> gpu() {
    requireUsable("device");
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
    resource.workIsDone();
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
   * Bytes that tensors and workspaces hold now.
   *
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public long bytesInUse() {
    requireUsable("device");
    try (Arena arena = Arena.ofConfined()) {
      return lvx_device_info.bytes_in_use(query(arena));
    }
  }

  /**
   * The largest {@link #bytesInUse} so far.
   *
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public long peakBytes() {
    requireUsable("device");
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
   * The choices of {@link AttentionBackend#AUTO} on this device's GPU so far; empty for a CPU.
   *
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public List<AttentionBackendChoice> attentionBackendChoices() {
    requireUsable("device");
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

  /** The thread that may use the device and everything on it. */
  public Thread owner() {
    return owner;
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
    Preconditions.present(next, "next");
    requireUsable("device");
    owner = next;
  }

  /**
   * Stops the threads and frees everything. Closing it again does nothing.
   *
   * @throws IllegalStateException if tensors or groups of this device are open, or consumers hold
   *     DLPack exports of its tensors (the message says how many, and the suppressed exceptions
   *     where they were made if {@link LeakDetector.Mode#TRACE} is on; the device stays usable)
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    requireOwner("device");
    if (closed) {
      return;
    }
    resource.close();
    closed = true;
  }

  boolean isOpen() {
    return !closed;
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

  /**
   * Checks that it is open and owned by this thread; {@code what} names the argument for messages.
   */
  void requireUsable(String what) {
    requireOwner(what);
    if (closed) {
      throw new IllegalStateException(what + ": the device was closed; an open one was expected");
    }
  }

  void requireOwner(String what) {
    Thread caller = Thread.currentThread();
    if (!caller.equals(owner)) {
      throw new WrongThreadException(
          what
              + " belongs to thread "
              + owner.getName()
              + " but was used by thread "
              + caller.getName()
              + "; Device.handOver gives a device and what is on it to another thread");
    }
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
    return "Device[" + name + what + (closed ? ", closed]" : "]");
  }
}
