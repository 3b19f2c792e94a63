// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.ThreadNames;

/**
 * Native calls that wait for other ranks, one at a time. Native code does not notice that its
 * thread is interrupted, so {@link InterruptWatch} looks at the thread of each call in progress. A
 * rank reuses one object for all calls, which cost a few stores each and allocate nothing.
 */
final class InterruptibleCall implements AutoCloseable {
  private final Stop stop;
  private volatile @Nullable Thread caller;

  /**
   * A call that is watched until {@link #close}.
   *
   * @param stop must not refer to objects that wait for the garbage collector to be closed
   */
  InterruptibleCall(Stop stop) {
    this.stop = stop;
    InterruptWatch.add(this);
  }

  /** The native function that ends the call in progress, and does nothing if there is none. */
  @FunctionalInterface
  interface Stop {
    /**
     * Called by any thread.
     *
     * @param reason a text for people
     * @return an lvx_status, which does not matter
     */
    int because(MemorySegment reason);
  }

  /** Called by a thread before its native call. */
  void begin() {
    caller = Thread.currentThread();
    InterruptWatch.wake();
  }

  /** Called by the thread after its native call: no interrupt will reach its next call. */
  synchronized void end() {
    caller = null;
  }

  /** Ends the call in progress if its thread was interrupted; returns whether there is a call. */
  boolean watch() {
    Thread thread = caller;
    if (thread == null) {
      return false;
    }
    if (thread.isInterrupted()) {
      synchronized (this) {
        // Its thread may have ended the call meanwhile, and may be in another one.
        if (thread.equals(caller) && thread.isInterrupted()) {
          stop(thread);
        }
      }
    }
    return true;
  }

  /** Ends the call in progress, if any, which a thread of the library makes for another thread. */
  synchronized void interrupt(Thread interrupted) {
    if (caller != null) {
      stop(interrupted);
    }
  }

  private void stop(Thread interrupted) {
    try (Arena arena = Arena.ofConfined()) {
      stop.because(
          arena.allocateFrom("thread " + ThreadNames.of(interrupted) + " was interrupted"));
    }
  }

  @Override
  public void close() {
    InterruptWatch.remove(this);
  }
}
