// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** A peer left the group, failed or died. The group has failed: close it and make a new one. */
public final class PeerLostException extends GroupException {
  private static final long serialVersionUID = 1;

  PeerLostException(String message, int rank, long sequence, String operation) {
    super(Status.PEER_LOST, message, rank, sequence, operation);
  }
}
