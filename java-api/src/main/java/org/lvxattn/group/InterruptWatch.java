// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;

/**
 * A daemon thread that looks for interrupted threads in native calls. It sleeps while no call is in
 * progress, and then costs a call no more than the read of a flag.
 */
final class InterruptWatch {
  private static final long PERIOD_NANOS = 50_000_000;

  /** How many looks without a call in progress are followed by sleep. */
  private static final int MOST_IDLE_LOOKS = 20;

  private static final Set<InterruptibleCall> CALLS = ConcurrentHashMap.newKeySet();
  private static volatile boolean asleep;

  private InterruptWatch() {}

  /** Starts the thread with the first rank that may wait for others. */
  private static final class Holder {
    static final Thread THREAD =
        Thread.ofPlatform()
            .daemon()
            .name("lvxattn-interrupts")
            .inheritInheritableThreadLocals(false)
            .unstarted(InterruptWatch::run);

    static {
      THREAD.setContextClassLoader(null); // it outlives the application that starts it
      THREAD.start();
    }

    private Holder() {}

    static void start() {}

    static void unpark() {
      LockSupport.unpark(THREAD);
    }
  }

  static void add(InterruptibleCall call) {
    CALLS.add(call);
    Holder.start();
  }

  static void remove(InterruptibleCall call) {
    CALLS.remove(call);
  }

  /** A call has begun. Either this finds the thread asleep, or the thread's last look the call. */
  static void wake() {
    if (asleep) {
      asleep = false;
      Holder.unpark();
    }
  }

  private static void run() {
    int idleLooks = 0;
    while (true) {
      LockSupport.parkNanos(PERIOD_NANOS);
      if (look()) {
        idleLooks = 0;
      } else if (++idleLooks >= MOST_IDLE_LOOKS) {
        sleep();
        idleLooks = 0;
      }
    }
  }

  private static void sleep() {
    asleep = true;
    if (look()) {
      asleep = false;
      return;
    }
    while (asleep) {
      LockSupport.park();
    }
  }

  /** Whether any call is in progress. */
  private static boolean look() {
    boolean any = false;
    for (InterruptibleCall call : CALLS) {
      try {
        any |= call.watch();
      } catch (OutOfMemoryError e) {
        any = true; // tried again by the next look
      }
    }
    return any;
  }
}
