// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import java.util.Random;

/**
 * How much of a random campaign a run takes, and from which seed: {@code -Dlvxattn.long=true} takes
 * all, {@code -Dlvxattn.seed} repeats one.
 */
final class Campaign {
  private Campaign() {}

  static int size(int whole) {
    return Boolean.getBoolean("lvxattn.long") ? whole : (whole + 19) / 20;
  }

  /** Prints what repeats the test. */
  static Random random(String test) {
    long seed = Long.getLong("lvxattn.seed", System.nanoTime());
    System.out.println("to repeat it: -Dtest=" + test + " -Dlvxattn.seed=" + seed + whole());
    return new Random(seed);
  }

  private static String whole() {
    return Boolean.getBoolean("lvxattn.long") ? " -Dlvxattn.long=true" : "";
  }
}
