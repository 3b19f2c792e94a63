// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.System.Logger.Level;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Finds devices, tensors, groups and worlds that were forgotten rather than closed.
 *
 * <p>What becomes unreachable unclosed is always given back, some time after a garbage collection.
 * The {@link Mode} decides how loudly; it comes from the system property {@value #PROPERTY} ({@code
 * off}, {@code count} or {@code trace}; {@code count} if it is not set) or from {@link
 * #mode(Mode)}. Reports go to the {@link System.Logger} named {@code org.lvxattn.LeakDetector}.
 */
public final class LeakDetector {
  /** System property: the mode at start, in any case of letters. */
  public static final String PROPERTY = "org.lvxattn.leaks";

  private static final System.Logger LOGGER = System.getLogger(LeakDetector.class.getName());
  private static final AtomicLong LEAKS = new AtomicLong();

  private static volatile Mode mode = modeAtStart();

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
    return mode;
  }

  /**
   * Changes the mode for objects made from now on.
   *
   * @throws NullPointerException if mode is null
   */
  public static void mode(Mode mode) {
    LeakDetector.mode = Arguments.present(mode, "mode");
  }

  /** How many forgotten objects were found so far, other than in mode {@link Mode#OFF}. */
  public static long leaks() {
    return LEAKS.get();
  }

  /** Where something is made, if that is asked for. */
  static @Nullable Throwable origin() {
    return mode == Mode.TRACE ? new Throwable("made here") : null;
  }

  static void report(String what, @Nullable Throwable origin) {
    if (mode == Mode.OFF) {
      return;
    }
    LEAKS.incrementAndGet();
    if (origin != null) {
      LOGGER.log(Level.WARNING, what + " was never closed; it was made here:", origin);
    } else {
      LOGGER.log(
          Level.WARNING,
          what + " was never closed; set -D" + PROPERTY + "=trace to see where it was made");
    }
  }

  static void failedToRelease(String what, RuntimeException failure) {
    LOGGER.log(Level.WARNING, "cannot give back a forgotten " + what, failure);
  }

  private static Mode modeAtStart() {
    String wanted = System.getProperty(PROPERTY);
    if (wanted == null) {
      return Mode.COUNT;
    }
    for (Mode candidate : Mode.values()) {
      if (candidate.name().equals(wanted.toUpperCase(Locale.ROOT))) {
        return candidate;
      }
    }
    LOGGER.log(
        Level.WARNING,
        "system property " + PROPERTY + " is " + wanted + "; off, count or trace was expected");
    return Mode.COUNT;
  }
}
