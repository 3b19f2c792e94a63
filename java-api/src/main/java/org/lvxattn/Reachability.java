// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/** Keeps handles from being found forgotten while what they own is in use. */
final class Reachability {
  private Reachability() {}

  /**
   * The handle is reachable up to here. Said after the use of what it owns; where that use ended in
   * an exception it has ended too, so this need not stand in a finally block.
   */
  @SuppressWarnings("ReachabilityFenceUsage")
  static void keep(@Nullable Object handle) {
    Reference.reachabilityFence(handle);
  }
}
