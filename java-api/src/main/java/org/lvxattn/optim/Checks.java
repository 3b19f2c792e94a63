// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.optim;

/** Checks of hyperparameters. */
final class Checks {
  private Checks() {}

  static void positive(double value, String name) {
    require(value > 0 && Double.isFinite(value), value, name, "a finite number above 0");
  }

  static void nonNegative(double value, String name) {
    require(value >= 0 && Double.isFinite(value), value, name, "a finite number from 0 on");
  }

  static void fraction(double value, String name) {
    require(value >= 0 && value < 1, value, name, "a number from 0 to below 1");
  }

  private static void require(boolean condition, double value, String name, String expected) {
    if (!condition) {
      throw new IllegalArgumentException(name + " is " + value + "; " + expected + " was expected");
    }
  }
}
