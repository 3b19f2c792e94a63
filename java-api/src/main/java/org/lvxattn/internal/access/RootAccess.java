// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.access;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Hook;
import org.lvxattn.internal.collective.Collective;
import org.lvxattn.internal.memory.DeviceResource;
import org.lvxattn.internal.memory.ElementType;

/**
 * What the classes of the package org.lvxattn keep from users and not from the packages above them.
 * It lies below that package and cannot name its classes; org.lvxattn.internal.handle gives the
 * types back.
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

  /** What a Device owns natively. */
  DeviceResource resource(Object device);

  /** Checks that this thread may use a Tensor. */
  void requireUsableTensor(Object tensor, String name);

  /** The descriptor of a Tensor that is read. */
  MemorySegment input(@Nullable Object tensor, Object device, String name);

  /** The descriptor of a Tensor that is written. */
  MemorySegment output(@Nullable Object tensor, Object device, String name);

  /** Whether a Tensor's memory is the caller's. */
  boolean isWrapped(Object tensor);

  /** The same struct: a native call that is given it keeps a Tensor's memory open, too. */
  MemorySegment keptOpenBy(Object tensor, MemorySegment struct);

  /** What a DType stands for. */
  ElementType element(Object dtype);

  /** What calls of a Communicator are made by. */
  Collective collective(Object communicator);

  /** Fills Statistics from the struct lvx_statistics. */
  void read(Object statistics, MemorySegment struct);

  /** The Status of an lvx_status. */
  Object status(int number);
}
