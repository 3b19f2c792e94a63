// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** Null, for tests of what happens where callers pass it against the annotations. */
public final class Absent {
  private Absent() {}

  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  public static <T> T absent() {
    return null;
  }
}
