// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * A peer called a different collective, or the same one with a different dtype, shape, scale or
 * mask. No data has moved, so the group stays usable.
 */
public final class PeerMismatchException extends GroupException {
  private static final long serialVersionUID = 1;

  PeerMismatchException(String message, int rank, long sequence, String operation) {
    super(Status.PEER_MISMATCH, message, rank, sequence, operation);
  }
}
