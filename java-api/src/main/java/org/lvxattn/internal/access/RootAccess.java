// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.access;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Hook;
import org.lvxattn.internal.Ownership;
import org.lvxattn.internal.collective.Collective;
import org.lvxattn.internal.memory.DeviceResource;
import org.lvxattn.internal.memory.ElementType;

/**
 * Access to parts of the package org.lvxattn that are hidden from users but not from the packages
 * above it. This package is below org.lvxattn and cannot name its classes;
 * org.lvxattn.internal.handle adds the types.
 */
public interface RootAccess {
  /** Installed by the package org.lvxattn. */
  Hook<RootAccess> HOOK = new Hook<>();

  /** Checks that this thread may use a Device. */
  void requireUsableDevice(Object device, String name);

  /** Checks that a Device belongs to this thread. */
  void requireOwner(Object device, String name);

  /** Whether a Device is open. */
  boolean isOpen(Object device);

  /** The native handle of a Device. */
  long handle(Object device);

  /** Which thread may use a Device. */
  Ownership ownership(Object device);

  /** The native resource of a Device. */
  DeviceResource resource(Object device);

  /** Checks that this thread may use a Tensor. */
  void requireUsableTensor(Object tensor, String name);

  /** The descriptor of an input Tensor. */
  MemorySegment input(@Nullable Object tensor, Object device, String name);

  /** The descriptor of an output Tensor. */
  MemorySegment output(@Nullable Object tensor, Object device, String name);

  /** Whether the caller owns a Tensor's memory. */
  boolean isWrapped(Object tensor);

  /** The same struct, as a segment that also keeps a Tensor's memory open during a native call. */
  MemorySegment keptOpenBy(Object tensor, MemorySegment struct);

  /** The native element type of a DType. */
  ElementType element(Object dtype);

  /** The object that makes a Communicator's native calls. */
  Collective collective(Object communicator);

  /** Fills Statistics from the struct lvx_statistics. */
  void read(Object statistics, MemorySegment struct);

  /** Converts an lvx_status to a Status. */
  Object status(int number);
}
