// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Tensor;

/** Checks of what callers pass in, with messages that name the argument and what was expected. */
final class Checks {
  private Checks() {}

  static <T> T present(@Nullable T argument, String name) {
    return Objects.requireNonNull(argument, () -> name + " is null");
  }

  static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  /** A setting that must be 1 or more. */
  static int positive(int value, String name) {
    require(value > 0, name + " is " + value + "; 1 or more was expected");
    return value;
  }

  /** What is added to a variance. */
  static double epsilon(double value) {
    require(
        Double.isFinite(value) && value > 0,
        "epsilon is " + value + "; a finite number above 0 was expected");
    return value;
  }

  /** A setting that has no default. */
  static void set(int value, String name) {
    if (value == 0) {
      throw new IllegalStateException(name + " was not set");
    }
  }

  /** Rows of a sequence: floating-point [batch, rows, width]. */
  static Tensor rows(@Nullable Tensor tensor, String name, long width) {
    Tensor rows = present(tensor, name);
    require(
        rows.rank() == 3 && rows.dimension(2) == width && rows.dtype().isFloating(),
        name + " is " + rows + "; floating-point [batch, rows, " + width + "] was expected");
    return rows;
  }

  /** A tensor that must be as large as another one. */
  static void sameShape(Tensor tensor, String name, Tensor like) {
    require(
        Arrays.equals(tensor.shape(), like.shape()) && tensor.dtype() == like.dtype(),
        name + " is " + tensor + "; shape and dtype of " + like + " were expected");
  }
}
