// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.function.Supplier;
import org.lvxattn.Group;
import org.lvxattn.Operation;

/**
 * One rank's way through the collective calls of one method. Where it fails before one of them, the
 * peers, who wait in it, are told at once.
 */
final class Turn {
  private final Group group;
  private final Operation operation;
  private int ahead;
  private boolean calling;

  /**
   * Begins.
   *
   * @param calls that every rank makes on this way
   */
  Turn(Group group, Operation operation, int calls) {
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

  /**
   * The way ends here.
   *
   * @return the failure, to be thrown
   */
  RuntimeException failed(RuntimeException failure) {
    return calling || ahead == 0 ? failure : group.decline(operation, failure);
  }
}
