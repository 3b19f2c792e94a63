// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.function.Supplier;
import org.lvxattn.group.Group;
import org.lvxattn.group.Operation;

/**
 * Tracks the collective calls that every rank makes in one method. If the method fails before one
 * of them, it declines that call, so that peers fail at once.
 */
final class CollectiveSequence {
  private final Group group;
  private final Operation operation;
  private int ahead;
  private boolean calling;

  /**
   * Begins.
   *
   * @param calls how many calls every rank makes
   */
  CollectiveSequence(Group group, Operation operation, int calls) {
    this.group = group;
    this.operation = operation;
    this.ahead = calls;
  }

  /** Makes one of the calls, which tells the peers of its own mistakes. */
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

  /** Ends before its last call, by a failure that the caller throws. */
  void failed(Throwable failure) {
    if (!calling && ahead > 0) {
      group.decline(operation, failure);
    }
  }
}
