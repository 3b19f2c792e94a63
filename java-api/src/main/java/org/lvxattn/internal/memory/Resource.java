// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.lang.ref.Cleaner;
import org.jspecify.annotations.Nullable;

/**
 * The native resource of a handle (device, tensor, group, world). It never refers to the handle, so
 * that it can be freed when the handle becomes unreachable.
 */
public abstract class Resource {
  private static final Cleaner CLEANER = Cleaner.create();

  private final String kind;
  private final @Nullable Throwable origin;
  private boolean released;
  private Cleaner.@Nullable Cleanable cleanable;

  public Resource(String kind) {
    this.kind = kind;
    this.origin = Leaks.origin();
  }

  /** Kind of the resource for messages, for instance "tensor". */
  public final String kind() {
    return kind;
  }

  /** For reports of leaks, for instance "a tensor of FLOAT32 [2, 3]". */
  protected String description() {
    return "a " + kind;
  }

  /** Stack trace of its creation, if recorded. */
  public final @Nullable Throwable origin() {
    return origin;
  }

  /** Frees everything. If it throws, it has changed nothing. */
  public abstract void release();

  /**
   * Called if the handle became unreachable without being closed; views override it, since they own
   * no memory.
   */
  public void forgotten() {
    try {
      release();
    } finally {
      Leaks.report(description(), origin);
    }
  }

  /** From now on, the resource is freed at the latest when the handle becomes unreachable. */
  public final synchronized void watch(Object handle) {
    cleanable = CLEANER.register(handle, this::clean);
  }

  /** Called once, by the handle's close(). */
  public final void close() {
    synchronized (this) {
      release();
      released = true;
    }
    if (cleanable != null) {
      cleanable.clean();
    }
  }

  private synchronized void clean() {
    if (released) {
      return;
    }
    released = true;
    try {
      forgotten();
    } catch (RuntimeException e) {
      Leaks.failedToRelease(kind, e);
    }
  }
}
