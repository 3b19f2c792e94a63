// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Platform threads that wait for other ranks for virtual ones. A native call holds the carrier of
 * its virtual thread. If as many ranks as there are carriers waited so, the others would never run,
 * and all would time out.
 */
final class PlatformThreads {
  private static final long AGAIN_MILLIS = 50;

  private PlatformThreads() {}

  /** Made when it is first needed. Its threads end after a minute without work. */
  private static final class Holder {
    static final ExecutorService POOL = Executors.newCachedThreadPool(Holder::thread);
    private static final ThreadFactory NAMED =
        Thread.ofPlatform()
            .daemon()
            .name("lvxattn-call-", 1)
            .inheritInheritableThreadLocals(false)
            .factory();

    private Holder() {}

    private static Thread thread(Runnable work) {
      Thread thread = NAMED.newThread(work);
      thread.setContextClassLoader(null); // it may outlive the application
      return thread;
    }
  }

  /**
   * Runs work here, or on a platform thread if this is a virtual one, which then waits.
   *
   * @param call the native call of the work, for interrupts of this thread; null if there is none
   */
  static <T extends @Nullable Object> T run(@Nullable InterruptibleCall call, Supplier<T> work) {
    return Thread.currentThread().isVirtual() ? onPlatformThread(call, work) : work.get();
  }

  private static <T extends @Nullable Object> T onPlatformThread(
      @Nullable InterruptibleCall call, Supplier<T> work) {
    FutureTask<T> task = new FutureTask<>(work::get);
    Holder.POOL.execute(task);
    boolean interrupted = false;
    try {
      while (true) {
        try {
          if (!interrupted || call == null) {
            return task.get();
          }
          // Again and again: the work may not have come to its native call.
          call.interrupt(Thread.currentThread());
          return task.get(AGAIN_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
          interrupted = true;
        } catch (TimeoutException e) {
          // still at work
        }
      }
    } catch (ExecutionException e) {
      throw rethrown(e);
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** What the work threw, with the stack of this thread below the one of the platform thread. */
  private static RuntimeException rethrown(ExecutionException failure) {
    Throwable cause = failure.getCause();
    if (cause == null) {
      throw new IllegalStateException(failure);
    }
    StackTraceElement[] there = cause.getStackTrace();
    StackTraceElement[] here = new Throwable().getStackTrace();
    StackTraceElement[] both = new StackTraceElement[there.length + here.length];
    System.arraycopy(there, 0, both, 0, there.length);
    System.arraycopy(here, 0, both, there.length, here.length);
    cause.setStackTrace(both);
    if (cause instanceof Error error) {
      throw error;
    }
    if (cause instanceof RuntimeException exception) {
      return exception;
    }
    throw new IllegalStateException(cause);
  }
}
