// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_cpu_options;
import org.lvxattn.bindings.generated.lvx_device_info;
import org.lvxattn.plan.KernelScratch;

/**
 * What computes, and the memory it computes in.
 *
 * <p>A device and everything made on it, tensors and groups, is confined to one thread: the one
 * that made it, until {@link #handOver} names another. Every use is checked and ends in a {@link
 * WrongThreadException} elsewhere. Several threads compute at once by a device each, as the ranks
 * of a {@link LocalWorld} do; how many cores a device uses is its own matter.
 */
public final class Device implements AutoCloseable {
  private final DeviceResource resource;
  private final int threads;
  private final String name;

  private volatile Thread owner = Thread.currentThread();
  private boolean closed;

  private Device(DeviceResource resource) {
    this.resource = resource;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = query(arena);
      threads = lvx_device_info.threads(info);
      name = lvx_device_info.name(info).getString(0);
    }
    resource.watch(this);
  }

  /** What kind of processor a device is. */
  public enum Kind {
    /** The processor the JVM runs on; memory is the process's own. */
    CPU
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

  /** What kind of processor this is. */
  public Kind kind() {
    return Kind.CPU;
  }

  /** How many threads compute, the calling one among them. */
  public int threads() {
    return threads;
  }

  /** For people: for instance the instruction set in use. */
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
    return "Device[" + name + ", " + threads + " threads" + (closed ? ", closed]" : "]");
  }
}
