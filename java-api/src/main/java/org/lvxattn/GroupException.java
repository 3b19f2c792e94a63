// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** A group operation ended because of a peer. */
public abstract sealed class GroupException extends LvxException
    permits DeadlineExceededException,
        GroupJoinException,
        PeerLostException,
        PeerMismatchException {
  private static final long serialVersionUID = 1;

  private final int rank;
  private final long sequence;
  private final String operation;

  GroupException(Status status, String message, int rank, long sequence, String operation) {
    super(status, message);
    this.rank = rank;
    this.sequence = sequence;
    this.operation = operation;
  }

  /** The peer at fault, or -1 if it is not known. */
  public final int rank() {
    return rank;
  }

  /** The number of the group's operation, counted from 1 alike on all ranks. */
  public final long sequence() {
    return sequence;
  }

  /** The operation that this rank was in, for instance {@code forward}. */
  public final String operation() {
    return operation;
  }
}
