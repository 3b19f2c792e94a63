// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/** Checks of what callers pass in, with messages that name the argument and what was expected. */
final class Checks {
  private Checks() {}

  static void require(boolean condition, String name, Object value, String expected) {
    if (!condition) {
      throw new IllegalArgumentException(name + " is " + value + "; " + expected + " was expected");
    }
  }

  static void positive(double value, String name) {
    require(value > 0, name, value, "a number above 0");
  }
}
