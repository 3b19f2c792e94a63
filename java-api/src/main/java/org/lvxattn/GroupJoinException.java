// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * Ranks that were to form a group do not fit together, and waiting would not help: their secrets,
 * sizes or versions differ, two processes are the same rank, the port of the rendezvous is in use,
 * or something else is there. {@link #rank()} is -1 where the fault cannot be given to one rank.
 */
public final class GroupJoinException extends GroupException {
  private static final long serialVersionUID = 1;

  GroupJoinException(String message, int rank) {
    super(Status.JOIN_FAILED, message, rank, 0, "rendezvous");
  }
}
