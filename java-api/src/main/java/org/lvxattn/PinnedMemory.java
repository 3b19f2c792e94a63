// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.Pointers;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.memory.DeviceResource;
import org.lvxattn.internal.memory.Resource;

/**
 * Page-locked host memory for asynchronous copies to and from a GPU. It is a scarce resource and
 * does not count against the device's budget. On a CPU device it is ordinary memory.
 *
 * <p>{@link Tensor#copyFrom(PinnedMemory, long)} and {@link Tensor#copyTo} enqueue copies; {@link
 * Device#synchronize} waits for them.
 */
public final class PinnedMemory implements AutoCloseable {
  private final Device device;
  private final Memory resource;
  private final MemorySegment segment;
  private boolean closed;

  private PinnedMemory(Device device, Memory resource, MemorySegment segment) {
    this.device = device;
    this.resource = resource;
    this.segment = segment;
    resource.watch(this);
  }

  /** The native buffer. */
  private static final class Memory extends Resource {
    private final DeviceResource device;
    private final long buffer;
    private final long bytes;
    private final Arena arena = Arena.ofShared();

    Memory(DeviceResource device, long buffer, long bytes) {
      super("pinned buffer");
      this.bytes = bytes;
      this.device = device;
      this.buffer = buffer;
      device.opened(this);
    }

    @Override
    protected String description() {
      return "a pinned buffer of " + bytes + (bytes == 1 ? " byte" : " bytes");
    }

    @Override
    public synchronized void release() {
      if (arena.scope().isAlive()) {
        // Throws while a native call uses the segment, and changes nothing in that case.
        arena.close();
      }
      NativeCalls.check(Lvx.lvx_buffer_free(buffer));
      device.closed(this);
    }
  }

  /**
   * Allocates pinned memory, filled with zeros and aligned to 64 bytes.
   *
   * @param device the device that copies to and from it
   * @param bytes 1 or more
   * @throws NullPointerException if device is null
   * @throws IllegalArgumentException if bytes is less than 1
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if the host has no pinned memory left
   */
  public static PinnedMemory allocate(Device device, long bytes) {
    Preconditions.present(device, "device").requireUsable("device");
    if (bytes < 1) {
      throw new IllegalArgumentException("bytes is " + bytes + "; 1 or more was expected");
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(ValueLayout.JAVA_LONG);
      MemorySegment address = arena.allocate(ValueLayout.ADDRESS);
      NativeCalls.check(Lvx.lvx_host_buffer_allocate(device.handle(), bytes, buffer, address));
      Memory memory = new Memory(device.resource(), buffer.get(ValueLayout.JAVA_LONG, 0), bytes);
      MemorySegment data = Pointers.sized(address.get(ValueLayout.ADDRESS, 0), bytes);
      return new PinnedMemory(device, memory, Pointers.within(data, memory.arena));
    }
  }

  /** Size in bytes. */
  public long bytes() {
    return segment.byteSize();
  }

  /**
   * The memory itself, accessible by any thread until this is closed.
   *
   * @throws IllegalStateException if this was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public MemorySegment segment() {
    requireUsable(null, "memory");
    return segment;
  }

  /**
   * Frees it after pending copies are done; the segment becomes inaccessible. Closing it again does
   * nothing.
   *
   * @throws IllegalStateException if another thread is using the segment in a native call
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    device.requireOwner("memory");
    if (closed) {
      return;
    }
    resource.close();
    closed = true;
  }

  void requireUsable(@Nullable Device expected, String name) {
    device.requireUsable(name);
    if (closed) {
      throw new IllegalStateException(name + ": it was closed; open pinned memory was expected");
    }
    if (expected != null && !expected.equals(device)) {
      throw new IllegalArgumentException(
          name + " is of another device; that of the tensor was expected");
    }
  }

  @Override
  public String toString() {
    return "PinnedMemory[" + bytes() + " bytes" + (closed ? ", closed]" : "]");
  }
}
