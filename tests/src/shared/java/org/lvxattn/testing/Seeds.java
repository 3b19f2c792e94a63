// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.testing;

import java.util.Random;

/**
 * Seeds of the tests' random numbers: {@code -Dlvxattn.seed}, an integer. The seed in use is
 * printed, so that a failure can be reproduced ({@code ./lvx test PATTERN --seed N}).
 */
public final class Seeds {
  private static final String PROPERTY = "lvxattn.seed";

  private Seeds() {}

  /**
   * A generator with the test's own seed plus the given seed; without a given seed, the same in
   * each run.
   */
  public static Random random(long own) {
    return new Random(moved(own));
  }

  /** The test's own seed plus the given seed. */
  public static long moved(long own) {
    return own + Moved.BY;
  }

  /** The first seed of a campaign: the given seed, or a new one in each run. */
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

  /** Printed once, by the first test that takes a seed. */
  private static final class Moved {
    static final long BY = say(given(0));

    private Moved() {}
  }
}
