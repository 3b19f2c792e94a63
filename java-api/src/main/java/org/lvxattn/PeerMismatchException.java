// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * A peer called another operation, or the same with a dtype, shape, scale or mask that does not
 * fit. This is found before data moves, so the group stays usable.
 */
public final class PeerMismatchException extends GroupException {
  private static final long serialVersionUID = 1;

  PeerMismatchException(String message, int rank, long sequence, String operation) {
    super(Status.PEER_MISMATCH, message, rank, sequence, operation);
  }
}
