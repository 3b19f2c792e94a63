// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_cpu_options;
import org.lvxattn.bindings.generated.lvx_cuda_options;
import org.lvxattn.bindings.generated.lvx_device_info;
import org.lvxattn.bindings.generated.lvx_engine_choice;
import org.lvxattn.plan.KernelScratch;

/**
 * What computes, and the memory it computes in: {@link #cpu()}, or {@link #cuda(int)} for a GPU.
 * Programs are the same for both.
 *
 * <p>A GPU works behind the program: calls return when their work is ordered, each sees the results
 * of those before it, and {@link #synchronize} waits for all of them. What brings numbers to the
 * host ({@link Tensor#toFloats} and its like) waits by itself. A failure of the work itself is
 * reported by whatever call waits next.
 *
 * <p>A device and everything made on it, tensors and groups, is confined to one thread: the one
 * that made it, until {@link #handOver} names another. Every use is checked and ends in a {@link
 * WrongThreadException} elsewhere. Several threads compute at once by a device each, as the ranks
 * of a {@link LocalWorld} do; how many cores a device uses is its own matter.
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

    /** DLPack's number of it. */
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
    Arguments.present(options, "options");
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
   * @param ordinal the GPU, as the CUDA runtime counts them, from 0
   * @throws IllegalArgumentException if there is no such GPU
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   * @throws LvxException with {@link Status#MISSING_LIBRARY} if the build has no CUDA device, or
   *     there is no driver or no GPU; the message says which
   * @throws UnsupportedRequestException if the GPU is older than compute capability 8.0
   */
  public static Device cuda(int ordinal) {
    return cuda(CudaOptions.of(ordinal));
  }

  /**
   * Opens an NVIDIA GPU. Several devices may be of one GPU, each with a stream and memory of its
   * own.
   *
   * @throws NullPointerException if options is null
   * @throws IllegalArgumentException if there is no such GPU
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   * @throws LvxException with {@link Status#MISSING_LIBRARY} if the build has no CUDA device, or
   *     there is no driver, no GPU, or no cuDNN where {@link Engine#CUDNN} is wanted; the message
   *     says which
   * @throws UnsupportedRequestException if the GPU is older than compute capability 8.0
   */
  public static Device cuda(CudaOptions options) {
    Arguments.present(options, "options");
    NativeCalls.load();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment struct = lvx_cuda_options.allocate(arena);
      lvx_cuda_options.struct_size(struct, lvx_cuda_options.sizeof());
      lvx_cuda_options.ordinal(struct, options.ordinal());
      lvx_cuda_options.engine(struct, options.engine().code());
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

  /** Which of its kind: the number by which {@link #cuda} opened it, 0 for a CPU. */
  public int ordinal() {
    return ordinal;
  }

  /**
   * What is known of the GPU; empty for a CPU.
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
   * Returns when all that the device was given is done; at once on a CPU, which is done when a call
   * returns.
   *
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws DeviceFailedException if some of it failed
   */
  public void synchronize() {
    requireUsable("device");
    NativeCalls.check(Lvx.lvx_device_synchronize(resource.handle));
    Reachability.keep(this);
  }

  /** How many threads of the host compute, the calling one among them; 1 for a GPU. */
  public int threads() {
    return threads;
  }

  /** For people: for instance the instruction set in use, or what the GPU is called. */
  public String name() {
    return name;
  }

  /**
   * Bytes now held by tensors and workspaces.
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
   * What this device's kernels need beside their arguments, for predicting memory. Its answers can
   * be had while the device is open, from the thread that owns it.
   *
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public KernelScratch kernelScratch() {
    requireUsable("device");
    return new DeviceScratch(this);
  }

  /**
   * Loads cuDNN as {@link Engine#CUDNN} does, without a GPU.
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
   * What {@link Engine#AUTO} has chosen on this device's GPU so far; empty for a CPU.
   *
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public List<EngineChoice> engineChoices() {
    requireUsable("device");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(
          Lvx.lvx_device_engine_choices(resource.handle, MemorySegment.NULL, 0, count));
      long capacity = count.get(ValueLayout.JAVA_LONG, 0);
      MemorySegment choices = lvx_engine_choice.allocateArray(Math.max(capacity, 1), arena);
      NativeCalls.check(Lvx.lvx_device_engine_choices(resource.handle, choices, capacity, count));
      Reachability.keep(this);
      // Other devices of the GPU may have met new problems in between.
      long copied = Math.min(capacity, count.get(ValueLayout.JAVA_LONG, 0));
      List<EngineChoice> result = new ArrayList<>();
      for (long i = 0; i < copied; i++) {
        result.add(EngineChoice.read(lvx_engine_choice.asSlice(choices, i)));
      }
      return List.copyOf(result);
    }
  }

  /** The thread that may use the device and everything made on it. */
  public Thread owner() {
    return owner;
  }

  /**
   * Gives the device and everything made on it to another thread. What this thread did before is
   * visible to that thread.
   *
   * @param next the new owner
   * @throws NullPointerException if next is null
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if the caller does not own the device
   */
  public void handOver(Thread next) {
    Arguments.present(next, "next");
    requireUsable("device");
    owner = next;
  }

  /**
   * Stops the threads and gives everything back.
   *
   * @throws IllegalStateException if tensors or groups of this device are open (the message says
   *     how many, and the suppressed exceptions where they were made if {@link
   *     LeakDetector.Mode#TRACE} is on; the device stays usable), or if it was closed already
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    requireUsable("device");
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

  /** Checks liveness and thread; {@code what} names the argument or object that is used. */
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
