// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * A peer did not answer within the group's {@link org.lvxattn.group.Group#timeout()}. The group has
 * failed: close it.
 */
public final class PeerTimeoutException extends GroupException {
  private static final long serialVersionUID = 1;

  PeerTimeoutException(String message, int rank, long sequence, String operation) {
    super(Status.TIMEOUT, message, rank, sequence, operation);
  }
}
