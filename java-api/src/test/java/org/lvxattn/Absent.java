// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** Null, for tests that pass it despite the annotations. */
public final class Absent {
  private Absent() {}

  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  public static <T> T absent() {
    return null;
  }
}
