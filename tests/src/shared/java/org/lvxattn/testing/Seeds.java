// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.testing;

import java.util.Random;

/**
 * Where tests take the seeds of their random numbers from: {@code -Dlvxattn.seed}, a whole number.
 * What is taken is printed, so that a failure can be had again ({@code ./lvx test PATTERN --seed
 * N}).
 */
public final class Seeds {
  private static final String PROPERTY = "lvxattn.seed";

  private Seeds() {}

  /** Numbers from the test's own seed, moved on by the given one: the same in each run without. */
  public static Random random(long own) {
    return new Random(moved(own));
  }

  /** The test's own seed, moved on by the given one. */
  public static long moved(long own) {
    return own + Moved.BY;
  }

  /** The first seed of a campaign: the given one, or another one in each run. */
  public static long campaign() {
    return say(given(System.nanoTime() & Integer.MAX_VALUE));
  }

  private static long given(long otherwise) {
    String given = System.getProperty(PROPERTY, String.valueOf(otherwise));
    try {
      return Long.parseLong(given);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "-D" + PROPERTY + "=" + given + ": expected a whole number", e);
    }
  }

  private static long say(long seed) {
    System.out.println(PROPERTY + "=" + seed);
    return seed;
  }

  /** Said once, by the first test that takes one. */
  private static final class Moved {
    static final long BY = say(given(0));

    private Moved() {}
  }
}
