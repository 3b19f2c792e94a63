// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/** Keeps handles reachable while their resources are in use. */
public final class Reachability {
  private Reachability() {}

  /**
   * Keeps the handle reachable up to this call. Call it after the last use of the handle's
   * resource. It need not be in a finally block: if the use throws, it has ended.
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

  /** As {@link #keep(Object)}, for four; a varargs array would be garbage in every call. */
  public static void keep(
      @Nullable Object first,
      @Nullable Object second,
      @Nullable Object third,
      @Nullable Object fourth) {
    keep(first, second);
    keep(third, fourth);
  }
}
