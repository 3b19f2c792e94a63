// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.memory.Leaks;

/**
 * Finds devices, tensors, groups and worlds that were forgotten rather than closed.
 *
 * <p>Objects that become unreachable without being closed are always freed, some time after a
 * garbage collection. The {@link Mode} decides what is reported; it comes from the system property
 * {@value #PROPERTY} ({@code off}, {@code count} or {@code trace}; {@code count} if it is not set)
 * or from {@link #setMode(Mode)}. Reports go to the {@link System.Logger} named {@code
 * org.lvxattn.LeakDetector}.
 */
public final class LeakDetector {
  /** System property: the mode at start, in any case of letters. */
  public static final String PROPERTY = Leaks.PROPERTY;

  private LeakDetector() {}

  /** How leaks are reported. */
  public enum Mode {
    /** Not at all. */
    OFF,
    /** Each is counted and logged as a warning. */
    COUNT,
    /**
     * As {@link #COUNT}, with the stack trace of where the forgotten object was made. Costs a stack
     * trace for each object made: for tests and for finding a leak.
     */
    TRACE
  }

  /** The mode in use. */
  public static Mode mode() {
    return Mode.valueOf(Leaks.mode().name());
  }

  /**
   * Changes the mode for objects made from now on.
   *
   * @throws NullPointerException if mode is null
   */
  public static void setMode(Mode mode) {
    Leaks.setMode(Leaks.Mode.valueOf(Preconditions.present(mode, "mode").name()));
  }

  /** How many forgotten objects were found so far, other than in mode {@link Mode#OFF}. */
  public static long leaks() {
    return Leaks.found();
  }
}
