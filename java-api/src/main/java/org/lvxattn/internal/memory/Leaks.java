// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.lang.System.Logger.Level;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** Counts and logs resources that were never closed; the public LeakDetector configures it. */
public final class Leaks {
  /** System property with the mode at start; case-insensitive. */
  public static final String PROPERTY = "org.lvxattn.leaks";

  /** The logger has the name of the public class. */
  private static final System.Logger LOGGER = System.getLogger("org.lvxattn.LeakDetector");

  private static final AtomicLong FOUND = new AtomicLong();

  /** Numbers of the places where leaked resources were made; each trace is logged once. */
  private static final Map<List<StackTraceElement>, Integer> PLACES = new HashMap<>();

  private static volatile Mode mode = modeAtStart();

  private Leaks() {}

  /** How leaks are reported. */
  public enum Mode {
    /** Leaks are not reported. */
    OFF,
    /** Each leak is counted and logged. */
    COUNT,
    /** As COUNT, with the stack trace of its creation, once for each place. */
    TRACE
  }

  /** The mode in use. */
  public static Mode mode() {
    return mode;
  }

  /** Changes the mode. */
  public static void setMode(Mode mode) {
    Leaks.mode = mode;
  }

  /** Number of leaks found so far; mode {@link Mode#OFF} does not count. */
  public static long found() {
    return FOUND.get();
  }

  /** The stack trace of a creation in mode TRACE, otherwise null. */
  static @Nullable Throwable origin() {
    return mode == Mode.TRACE ? new Throwable("made here") : null;
  }

  static void report(String what, @Nullable Throwable origin) {
    if (mode == Mode.OFF) {
      return;
    }
    if (origin != null) {
      reportWithPlace(what, origin);
    } else {
      LOGGER.log(
          Level.WARNING,
          what + " was never closed; set -D" + PROPERTY + "=trace to see where it was made");
    }
    FOUND.incrementAndGet(); // last, so that whoever sees the count finds the report
  }

  private static void reportWithPlace(String what, Throwable origin) {
    List<StackTraceElement> trace = Arrays.asList(origin.getStackTrace());
    int next;
    Integer known;
    synchronized (PLACES) {
      next = PLACES.size() + 1;
      known = PLACES.putIfAbsent(trace, next);
    }
    if (known == null) {
      LOGGER.log(
          Level.WARNING,
          what + " was never closed; it was made here (place " + next + "):",
          origin);
    } else {
      LOGGER.log(
          Level.WARNING, what + " was never closed; it was made at place " + known + ", see above");
    }
  }

  static void failedToRelease(String what, RuntimeException failure) {
    LOGGER.log(Level.WARNING, "cannot free a leaked " + what, failure);
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
