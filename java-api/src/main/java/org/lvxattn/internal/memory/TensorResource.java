// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.Pointers;

/** A tensor's descriptor and, unless it is a view, its memory. */
public final class TensorResource extends Resource {
  /** Origin of the memory that a tensor describes. */
  public enum Origin {
    ALLOCATED,
    /** It wraps a segment, with whose arena it ends. */
    WRAPPED,
    /** It wraps memory that ends with it. */
    OWNED,
    VIEW
  }

  private final DeviceResource device;
  private final Origin origin;
  private final Storage storage;
  private final boolean asynchronous;
  private final MemorySegment slot;
  private @Nullable Arena exposed;
  private @Nullable Throwable ownersFailure;
  private boolean workMayRun;

  /**
   * @param storage the memory; for a view, that of its tensor
   * @param asynchronous whether the device may use the memory after a call has returned
   */
  public TensorResource(
      DeviceResource device, Origin origin, Storage storage, boolean asynchronous) {
    super("tensor");
    this.device = device;
    this.origin = origin;
    this.storage = storage;
    this.asynchronous = asynchronous;
    this.slot = device.slots.take();
    if (origin != Origin.VIEW) {
      device.opened(this);
    }
  }

  /** Room for the descriptor. */
  public MemorySegment slot() {
    return slot;
  }

  /** A segment for callers, which becomes inaccessible to all threads when this is released. */
  public synchronized MemorySegment expose(MemorySegment memory) {
    exposed = Arena.ofShared();
    return Pointers.within(memory, exposed);
  }

  @Override
  public synchronized void release() {
    if (exposed != null && exposed.scope().isAlive()) {
      // Throws while a native call uses the segment, and changes nothing in that case.
      exposed.close();
    }
    if (workMayRun) {
      device.releaseAfterWork(storage);
    } else if (origin != Origin.VIEW) {
      ownersFailure = storage.release();
    }
    device.slots.giveBack(slot);
    if (origin != Origin.VIEW) {
      device.closed(this);
    }
  }

  /** Throws what the owner of the memory threw when it was released. */
  public void throwOwnersFailure() {
    if (ownersFailure instanceof RuntimeException e) {
      throw e;
    }
    if (ownersFailure instanceof Error e) {
      throw e;
    }
  }

  @Override
  public void forgotten() {
    if (origin == Origin.VIEW) {
      // Not a leak: a view owns no memory, and expressions often create temporary views.
      release();
      return;
    }
    // This thread must not use the device to wait, and a native buffer is freed in stream order.
    workMayRun = asynchronous && storage.hasOwner();
    super.forgotten();
    Leaks.ownerFailed(ownersFailure);
  }
}
