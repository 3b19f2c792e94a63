// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.serving;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A bounded queue of requests. A batch begins with the oldest request, and takes younger ones over
 * the same keys and values in their order, as far as its rows suffice.
 */
final class RequestQueue {
  private final int capacity;
  private final int maxRows;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition notEmpty = lock.newCondition();
  private final Condition notFull = lock.newCondition();
  private final ArrayDeque<PendingRequest> waiting = new ArrayDeque<>();
  private boolean closed;

  RequestQueue(int capacity, int maxRows) {
    this.capacity = capacity;
    this.maxRows = maxRows;
  }

  /** What became of an offered request. */
  enum Offer {
    ACCEPTED,
    FULL,
    CLOSED
  }

  /**
   * Adds a request, or says why not.
   *
   * @param nanoseconds the longest wait for room
   */
  Offer offer(PendingRequest request, long nanoseconds) throws InterruptedException {
    long left = nanoseconds;
    lock.lock();
    try {
      while (!closed && waiting.size() >= capacity) {
        if (left <= 0) {
          return Offer.FULL;
        }
        left = notFull.awaitNanos(left);
      }
      if (closed) {
        return Offer.CLOSED;
      }
      waiting.add(request);
      notEmpty.signal();
      return Offer.ACCEPTED;
    } finally {
      lock.unlock();
    }
  }

  /** Removes a request that was cancelled; false if it was taken already. */
  boolean remove(PendingRequest request) {
    lock.lock();
    try {
      boolean removed = waiting.remove(request);
      if (removed) {
        notFull.signal();
      }
      return removed;
    } finally {
      lock.unlock();
    }
  }

  /** Waits for the next batch; empty once the queue was closed and nothing waits. */
  List<PendingRequest> take() {
    lock.lock();
    try {
      while (waiting.isEmpty()) {
        if (closed) {
          return List.of();
        }
        notEmpty.awaitUninterruptibly();
      }
      List<PendingRequest> batch = new ArrayList<>();
      PendingRequest oldest = waiting.peek();
      long rows = 0;
      for (Iterator<PendingRequest> all = waiting.iterator(); all.hasNext(); ) {
        PendingRequest next = all.next();
        if (!next.request.keyValues().equals(oldest.request.keyValues())) {
          continue;
        }
        if (rows + next.rows > maxRows) {
          break;
        }
        rows += next.rows;
        batch.add(next);
        all.remove();
      }
      if (!waiting.isEmpty()) {
        notEmpty.signal();
      }
      notFull.signalAll();
      return batch;
    } finally {
      lock.unlock();
    }
  }

  int size() {
    lock.lock();
    try {
      return waiting.size();
    } finally {
      lock.unlock();
    }
  }

  /** Accepts nothing more. What waits is still taken. */
  void close() {
    lock.lock();
    try {
      closed = true;
      notEmpty.signalAll();
      notFull.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
