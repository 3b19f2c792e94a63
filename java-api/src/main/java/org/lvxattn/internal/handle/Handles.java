// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.handle;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Communicator;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Statistics;
import org.lvxattn.Status;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Ownership;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.access.RootAccess;
import org.lvxattn.internal.collective.Collective;
import org.lvxattn.internal.memory.DeviceResource;
import org.lvxattn.internal.memory.ElementType;

/** The native side of devices, tensors and communicators; {@link RootAccess} with types. */
public final class Handles {
  private Handles() {}

  private static RootAccess root() {
    return RootAccess.HOOK.get();
  }

  /** Checks that the device is not null and that this thread may use it; returns it. */
  public static Device requireUsable(@Nullable Device device, String name) {
    Device present = Preconditions.present(device, name);
    root().requireUsableDevice(present, name);
    return present;
  }

  /** Checks that this thread owns a device; {@code name} is for messages. */
  public static void requireOwner(Device device, String name) {
    root().requireOwner(device, name);
  }

  /** Whether a device is open. */
  public static boolean isOpen(Device device) {
    return root().isOpen(device);
  }

  /** The native handle of a device; check {@link #requireUsable(Device, String)} first. */
  public static long handle(Device device) {
    return root().handle(device);
  }

  /** Which thread may use a device. */
  public static Ownership ownership(Device device) {
    return root().ownership(device);
  }

  /** The native resource of a device. */
  public static DeviceResource resource(Device device) {
    return root().resource(device);
  }

  /** Checks that the tensor is not null and that this thread may use it; returns it. */
  public static Tensor requireUsable(@Nullable Tensor tensor, String name) {
    Tensor present = Preconditions.present(tensor, name);
    root().requireUsableTensor(present, name);
    return present;
  }

  /** The descriptor of an input tensor. */
  public static MemorySegment input(@Nullable Tensor tensor, Device device, String name) {
    return root().input(tensor, device, name);
  }

  /** As {@link #input}, or a null pointer where there is no tensor. */
  public static MemorySegment optionalInput(@Nullable Tensor tensor, Device device, String name) {
    return tensor == null ? MemorySegment.NULL : root().input(tensor, device, name);
  }

  /** The descriptor of an output tensor. */
  public static MemorySegment output(@Nullable Tensor tensor, Device device, String name) {
    return root().output(tensor, device, name);
  }

  /** As {@link #output}, or a null pointer where there is no tensor. */
  public static MemorySegment optionalOutput(@Nullable Tensor tensor, Device device, String name) {
    return tensor == null ? MemorySegment.NULL : root().output(tensor, device, name);
  }

  /** Whether the caller owns a tensor's memory and decides its lifetime. */
  public static boolean isWrapped(Tensor tensor) {
    return root().isWrapped(tensor);
  }

  /**
   * The same struct, as a segment that also keeps the tensor's memory open during a native call.
   */
  public static MemorySegment keptOpenBy(Tensor tensor, MemorySegment struct) {
    return root().keptOpenBy(tensor, struct);
  }

  /** The native element type of a dtype. */
  public static ElementType element(DType dtype) {
    return root().element(dtype);
  }

  /** The object that makes a communicator's collective calls. */
  public static Collective collective(Communicator communicator) {
    return root().collective(communicator);
  }

  /** Fills statistics from the struct lvx_statistics. */
  public static void read(Statistics statistics, MemorySegment struct) {
    root().read(statistics, struct);
  }

  /** Converts an lvx_status to a status. */
  public static Status status(int number) {
    return (Status) root().status(number);
  }
}
