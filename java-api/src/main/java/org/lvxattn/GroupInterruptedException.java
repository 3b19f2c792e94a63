// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * The thread of this rank was interrupted while it waited for the other ranks; its interrupt status
 * is still set. The other ranks get a {@link PeerLostException} that names this rank.
 *
 * <p>If this rank was in an operation of a group, the group has failed: close it and make a new
 * one. No peer is at fault, so this is not a {@link GroupException}.
 *
 * @since 0.2.0
 */
public final class GroupInterruptedException extends LvxException {
  private static final long serialVersionUID = 1;

  GroupInterruptedException(String message) {
    super(Status.INTERRUPTED, message);
  }
}
