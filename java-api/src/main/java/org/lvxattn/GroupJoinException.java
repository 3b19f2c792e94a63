// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * Ranks cannot form a group, and waiting would not help: their secrets, sizes or versions differ,
 * two processes are the same rank, the port of the rendezvous is in use, or another service answers
 * there. {@link #rank()} is -1 if no single rank is at fault.
 */
public final class GroupJoinException extends GroupException {
  private static final long serialVersionUID = 1;

  GroupJoinException(String message, int rank) {
    super(Status.JOIN_FAILED, message, rank, 0, "rendezvous");
  }
}
