// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal;

/** How messages call a thread. */
public final class ThreadNames {
  private ThreadNames() {}

  /** Its name; virtual threads often have none, so {@code #31 (virtual)} for such a thread. */
  public static String of(Thread thread) {
    String name = thread.getName();
    if (!name.isEmpty()) {
      return name;
    }
    return "#" + thread.threadId() + (thread.isVirtual() ? " (virtual)" : "");
  }
}
