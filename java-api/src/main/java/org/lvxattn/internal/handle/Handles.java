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

  /** The device, after a check that it is there and that this thread may use it. */
  public static Device requireUsable(@Nullable Device device, String name) {
    Device present = Preconditions.present(device, name);
    root().requireUsableDevice(present, name);
    return present;
  }

  /** Checks that a device belongs to this thread; {@code name} is what is used of it. */
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

  /** What a device owns natively. */
  public static DeviceResource resource(Device device) {
    return root().resource(device);
  }

  /** The tensor, after a check that it is there and that this thread may use it. */
  public static Tensor requireUsable(@Nullable Tensor tensor, String name) {
    Tensor present = Preconditions.present(tensor, name);
    root().requireUsableTensor(present, name);
    return present;
  }

  /** The descriptor of a tensor that is read. */
  public static MemorySegment input(@Nullable Tensor tensor, Device device, String name) {
    return root().input(tensor, device, name);
  }

  /** As {@link #input}, or a null pointer where there is no tensor. */
  public static MemorySegment optionalInput(@Nullable Tensor tensor, Device device, String name) {
    return tensor == null ? MemorySegment.NULL : root().input(tensor, device, name);
  }

  /** The descriptor of a tensor that is written. */
  public static MemorySegment output(@Nullable Tensor tensor, Device device, String name) {
    return root().output(tensor, device, name);
  }

  /** As {@link #output}, or a null pointer where there is no tensor. */
  public static MemorySegment optionalOutput(@Nullable Tensor tensor, Device device, String name) {
    return tensor == null ? MemorySegment.NULL : root().output(tensor, device, name);
  }

  /** Whether a tensor's memory is the caller's, and so is its lifetime. */
  public static boolean isWrapped(Tensor tensor) {
    return root().isWrapped(tensor);
  }

  /** The same struct: a native call that is given it keeps the tensor's memory open, too. */
  public static MemorySegment keptOpenBy(Tensor tensor, MemorySegment struct) {
    return root().keptOpenBy(tensor, struct);
  }

  /** What a dtype stands for. */
  public static ElementType element(DType dtype) {
    return root().element(dtype);
  }

  /** What collective calls are made by. */
  public static Collective collective(Communicator communicator) {
    return root().collective(communicator);
  }

  /** Fills statistics from the struct lvx_statistics. */
  public static void read(Statistics statistics, MemorySegment struct) {
    root().read(statistics, struct);
  }

  /** The status of an lvx_status. */
  public static Status status(int number) {
    return (Status) root().status(number);
  }
}
