// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/** Keeps handles from being found forgotten while what they own is in use. */
public final class Reachability {
  private Reachability() {}

  /**
   * The handle is reachable up to here. Said after the use of what it owns; where that use ended in
   * an exception it has ended too, so this need not stand in a finally block.
   */
  @SuppressWarnings("ReachabilityFenceUsage")
  public static void keep(@Nullable Object handle) {
    Reference.reachabilityFence(handle);
  }

  /** As {@link #keep(Object)}, for two. */
  public static void keep(@Nullable Object first, @Nullable Object second) {
    keep(first);
    keep(second);
  }

  /** As {@link #keep(Object)}, for three. */
  public static void keep(@Nullable Object first, @Nullable Object second, @Nullable Object third) {
    keep(first, second);
    keep(third);
  }

  /** As {@link #keep(Object)}, for four; an array for more would be garbage of every call. */
  public static void keep(
      @Nullable Object first,
      @Nullable Object second,
      @Nullable Object third,
      @Nullable Object fourth) {
    keep(first, second);
    keep(third, fourth);
  }
}
