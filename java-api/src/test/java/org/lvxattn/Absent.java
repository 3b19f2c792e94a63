// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** Null, for tests of what happens where callers pass it against the annotations. */
final class Absent {
  private Absent() {}

  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  static <T> T absent() {
    return null;
  }
}
