// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.function.Supplier;
import org.lvxattn.group.Group;
import org.lvxattn.group.Operation;

/**
 * Tracks the collective calls that every rank makes in one method. If the method fails before one
 * of them, this declines that call, so that peers fail at once.
 */
final class CollectiveSequence {
  private final Group group;
  private final Operation operation;
  private int ahead;
  private boolean calling;

  /**
   * Begins the sequence.
   *
   * @param calls number of calls that every rank makes
   */
  CollectiveSequence(Group group, Operation operation, int calls) {
    this.group = group;
    this.operation = operation;
    this.ahead = calls;
  }

  /** Makes one of the calls, which reports its own errors to the peers. */
  <T> T call(Supplier<T> collective) {
    ahead--;
    calling = true;
    T result = collective.get();
    calling = false;
    return result;
  }

  /** As above. */
  void call(Runnable collective) {
    call(
        () -> {
          collective.run();
          return true;
        });
  }

  /** Ends the sequence before its last call because of a failure, which the caller throws. */
  void failed(Throwable failure) {
    if (!calling && ahead > 0) {
      group.decline(operation, failure);
    }
  }
}
