// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** A group operation failed because of a peer. */
public abstract sealed class GroupException extends LvxException
    permits PeerTimeoutException, GroupJoinException, PeerLostException, PeerMismatchException {
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

  /** The peer at fault, or -1 if unknown. */
  public final int rank() {
    return rank;
  }

  /** Sequence number of the group's operation, from 1; the same on all ranks. */
  public final long sequence() {
    return sequence;
  }

  /** The operation that this rank was in, for instance {@code forward}. */
  public final String operation() {
    return operation;
  }
}
