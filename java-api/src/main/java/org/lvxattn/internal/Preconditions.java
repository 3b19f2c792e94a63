// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal;

import org.jspecify.annotations.Nullable;

/** Checks of arguments, with messages that name the argument and what was expected. */
public final class Preconditions {
  private static final int HEAD_DIM_UNIT = 8;
  private static final int MAX_HEAD_DIM = 256;

  private Preconditions() {}

  /** The argument, which must not be null. */
  public static <T> T present(@Nullable T argument, String name) {
    if (argument == null) {
      throw new NullPointerException(name + " is null");
    }
    return argument;
  }

  /** Throws with this message if the condition does not hold. */
  public static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  /** As {@link #require(boolean, String)}, with a message made from an argument's value. */
  public static void require(boolean condition, String name, Object value, String expected) {
    if (!condition) {
      throw new IllegalArgumentException(name + " is " + value + "; " + expected + " was expected");
    }
  }

  /** A number that must be 1 or more. */
  public static int positive(int value, String name) {
    require(value > 0, name, value, "1 or more");
    return value;
  }

  /** A number that must be 1 or more. */
  public static long positive(long value, String name) {
    require(value > 0, name, value, "1 or more");
    return value;
  }

  /** A number that must be finite and above 0. */
  public static double finitePositive(double value, String name) {
    require(Double.isFinite(value) && value > 0, name, value, "a finite number above 0");
    return value;
  }

  /** A number that must be finite and 0 or more. */
  public static double finiteNonNegative(double value, String name) {
    require(Double.isFinite(value) && value >= 0, name, value, "a finite number from 0 on");
    return value;
  }

  /** A number that must be above 0 and may be infinite. */
  public static double positive(double value, String name) {
    require(value > 0, name, value, "a number above 0");
    return value;
  }

  /** A number that must be from 0 to below 1. */
  public static double fraction(double value, String name) {
    require(value >= 0 && value < 1, name, value, "a number from 0 to below 1");
    return value;
  }

  /** A builder setting without a default; 0 means that it was not set. */
  public static void set(int value, String name) {
    if (value == 0) {
      throw new IllegalStateException(name + " was not set");
    }
  }

  /** The elements of one head: a multiple of 8 from 8 to 256, as kernels require. */
  public static int headDim(int headDim) {
    require(
        headDim >= HEAD_DIM_UNIT && headDim <= MAX_HEAD_DIM && headDim % HEAD_DIM_UNIT == 0,
        "headDim",
        headDim,
        "a multiple of 8 from 8 to 256");
    return headDim;
  }
}
