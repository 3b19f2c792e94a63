// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.ref.Cleaner;
import org.jspecify.annotations.Nullable;

/**
 * What a handle (device, tensor, group, world) owns natively. It lies apart from the handle and
 * never refers to it, so that it can be given back when the handle is forgotten.
 */
abstract class Resource {
  private static final Cleaner CLEANER = Cleaner.create();

  private final String kind;
  private final @Nullable Throwable origin;
  private boolean released;
  private Cleaner.@Nullable Cleanable cleanable;

  Resource(String kind) {
    this.kind = kind;
    this.origin = LeakDetector.origin();
  }

  /** What people call it, for instance "tensor". */
  final String kind() {
    return kind;
  }

  /** Where it was made, if that was recorded. */
  final @Nullable Throwable origin() {
    return origin;
  }

  /** Gives everything back. May refuse by an exception, and has changed nothing then. */
  abstract void release();

  /** What to do when the handle was forgotten; views override this, since they own no memory. */
  void forgotten() {
    try {
      release();
    } finally {
      LeakDetector.report("a " + kind, origin);
    }
  }

  /** From now on this is given back at the latest when the handle has become unreachable. */
  final synchronized void watch(Object handle) {
    cleanable = CLEANER.register(handle, this::clean);
  }

  /** Called once, by the handle's close(). */
  final void close() {
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
      LeakDetector.failedToRelease(kind, e);
    }
  }
}
