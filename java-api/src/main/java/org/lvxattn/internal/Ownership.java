// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal;

import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Which thread may use a device and everything on it. Its owner gives it to another thread, or
 * leaves it to the threads that wait for it, first come, first served. What one owner did happens
 * before what the next one does.
 */
public final class Ownership {
  /** A permit while no thread owns it. Not a lock, which could not change hands. */
  private final Semaphore idle = new Semaphore(0, true);

  private volatile @Nullable Thread owner = Thread.currentThread();
  private volatile @Nullable Thread delegate;
  private volatile boolean closed;

  /** How the owner got it; null if not by a lease. Guarded by this. */
  private @Nullable Object lease;

  /** The owner; null if there is none. */
  public @Nullable Thread owner() {
    return owner;
  }

  /** Whether it was closed. */
  public boolean isClosed() {
    return closed;
  }

  /** Checks, for any thread, that it is open; {@code what} names the argument for messages. */
  public void requireOpen(String what) {
    if (closed) {
      throw new IllegalStateException(what + ": the device was closed; an open one was expected");
    }
  }

  /** Checks that this thread owns it, or that it is closed, so that nobody does. */
  public void requireOwner(String what) {
    if (!isOwner() && !closed) {
      throw new WrongThreadException(refusal(what));
    }
  }

  /** The owner, or the thread that works on its behalf. */
  private boolean isOwner() {
    Thread caller = Thread.currentThread();
    return caller.equals(owner) || caller.equals(delegate);
  }

  private String refusal(String what) {
    Thread holder = owner;
    String caller = ThreadNames.of(Thread.currentThread());
    if (holder == null) {
      return what
          + " belongs to no thread, since the device was released, but was used by thread "
          + caller
          + "; Device.acquire takes it";
    }
    String belongs = what + " belongs to thread " + ThreadNames.of(holder);
    if (hasEnded(holder)) {
      return belongs
          + ", which has ended, but was used by thread "
          + caller
          + "; Device.reclaim takes it";
    }
    return belongs
        + " but was used by thread "
        + caller
        + "; Device.handOver gives a device and what is on it to another thread, Device.release to"
        + " one that acquires it";
  }

  /** Gives it to another thread. */
  public synchronized void handOver(Thread next) {
    requireUsable("device");
    lease = null;
    owner = next;
  }

  /** Leaves it to the next thread that acquires it. */
  public synchronized void release() {
    requireUsable("device");
    leave();
  }

  private void leave() {
    lease = null;
    owner = null;
    idle.release();
  }

  /**
   * Takes it, once no thread owns it. Does nothing if this thread does.
   *
   * @param by what {@link #end} ends
   */
  public void acquire(Object by) throws InterruptedException {
    requireOpen("device");
    if (!isOwner()) {
      idle.acquire();
      if (!take(by)) {
        requireOpen("device");
      }
    }
  }

  /**
   * As {@link #acquire}, with a time limit; returns whether this thread owns it now.
   *
   * @param nanoseconds 0 or less: without waiting
   */
  public boolean tryAcquire(Object by, long nanoseconds) throws InterruptedException {
    requireOpen("device");
    if (isOwner()) {
      return true;
    }
    // Unlike tryAcquire(), the one with a time limit lets those go first that wait already.
    if (!idle.tryAcquire(nanoseconds, TimeUnit.NANOSECONDS)) {
      return false;
    }
    if (!take(by)) {
      requireOpen("device");
    }
    return true;
  }

  /** For a thread that has the permit; returns false if the device was closed meanwhile. */
  private synchronized boolean take(@Nullable Object by) {
    if (closed) {
      idle.release(); // for the next one that waits
      return false;
    }
    lease = by;
    owner = Thread.currentThread();
    return true;
  }

  /** Ends a lease; does nothing if it has ended, or if its thread owned the device before. */
  public synchronized void end(Object ended) {
    if (!ended.equals(lease)) {
      return;
    }
    requireOwner("lease");
    leave();
  }

  /** Takes it from an owner that has ended. */
  public synchronized void reclaim() {
    requireOpen("device");
    Thread holder = owner;
    if (holder == null) {
      throw new IllegalStateException(
          "device: it was released and belongs to no thread; Device.acquire takes it");
    }
    if (holder.equals(Thread.currentThread())) {
      return;
    }
    if (!hasEnded(holder)) {
      boolean started = holder.getState() != Thread.State.NEW;
      throw new WrongThreadException(
          "device belongs to thread "
              + ThreadNames.of(holder)
              + (started ? ", which is alive; " : ", which has not started; ")
              + "it can be reclaimed from a thread that has ended");
    }
    lease = null;
    owner = Thread.currentThread();
  }

  /** What an ended thread did happens before a call that finds that it is not alive. */
  private static boolean hasEnded(Thread thread) {
    return !thread.isAlive() && thread.getState() == Thread.State.TERMINATED;
  }

  /** Runs work on this thread on behalf of the owner, which waits for that. */
  public void delegate(Runnable work) {
    delegate = Thread.currentThread();
    try {
      work.run();
    } finally {
      delegate = null;
    }
  }

  /**
   * Closes it, for its owner, or for any thread if there is none. Does nothing if it is closed.
   *
   * @param free frees what it owns; if it throws, the device stays open and its owner the same
   */
  public void close(Runnable free) {
    if (closed) {
      return;
    }
    boolean wasIdle = !isOwner() && idle.tryAcquire();
    if (wasIdle && !take(null)) {
      return;
    }
    requireOwner("device");
    try {
      free.run();
      closed = true;
    } finally {
      synchronized (this) {
        if (wasIdle || closed) {
          leave(); // and wakes those that wait, who find that it is closed
        }
      }
    }
  }

  /** Checks that it is open and owned by this thread. */
  public void requireUsable(String what) {
    requireOpen(what);
    requireOwner(what);
  }
}
