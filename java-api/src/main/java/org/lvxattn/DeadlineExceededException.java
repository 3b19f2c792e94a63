// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * A peer did not answer within the group's {@link Group#deadline()}. The group has failed: close
 * it.
 */
public final class DeadlineExceededException extends GroupException {
  private static final long serialVersionUID = 1;

  DeadlineExceededException(String message, int rank, long sequence, String operation) {
    super(Status.DEADLINE_EXCEEDED, message, rank, sequence, operation);
  }
}
