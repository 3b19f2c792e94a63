// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.memory.Leaks;

/**
 * Finds devices, tensors, groups and worlds that were never closed.
 *
 * <p>Objects that become unreachable without being closed are always freed, some time after a
 * garbage collection. The {@link Mode} decides what is reported. It comes from the system property
 * {@value #PROPERTY} ({@code off}, {@code count} or {@code trace}; {@code count} if it is not set)
 * or from {@link #setMode(Mode)}. Reports go to the {@link System.Logger} named {@code
 * org.lvxattn.LeakDetector}.
 */
public final class LeakDetector {
  /** System property with the mode at start; case-insensitive. */
  public static final String PROPERTY = Leaks.PROPERTY;

  private LeakDetector() {}

  /** How leaks are reported. */
  public enum Mode {
    /** Leaks are not reported. */
    OFF,
    /** Each leak is counted and logged as a warning, a tensor's with its dtype and shape. */
    COUNT,
    /**
     * As {@link #COUNT}, with the stack trace of the allocation, which is logged once for each
     * place. Each new object costs a stack trace: use it in tests and to find a leak.
     */
    TRACE
  }

  /** The mode in use. */
  public static Mode mode() {
    return Mode.valueOf(Leaks.mode().name());
  }

  /**
   * Changes the mode for objects created from now on.
   *
   * @throws NullPointerException if mode is null
   */
  public static void setMode(Mode mode) {
    Leaks.setMode(Leaks.Mode.valueOf(Preconditions.present(mode, "mode").name()));
  }

  /** Number of leaks found so far; mode {@link Mode#OFF} does not count. */
  public static long leaks() {
    return Leaks.found();
  }
}
