// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.output;

import java.util.Locale;

/** Formats quantities for users. */
public final class Units {
  private Units() {}

  /** Bytes in powers of 1024. */
  public static String bytes(long bytes) {
    if (bytes < 1024) {
      return bytes + " B";
    }
    String[] names = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    int name = -1;
    double value = (double) bytes;
    while (value >= 1024 && name < names.length - 1) {
      value /= 1024;
      name++;
    }
    return String.format(Locale.ROOT, value < 10 ? "%.2f %s" : "%.1f %s", value, names[name]);
  }

  public static String seconds(double seconds) {
    if (seconds >= 1) {
      return String.format(Locale.ROOT, "%.2f s", seconds);
    }
    return seconds >= 1e-3
        ? String.format(Locale.ROOT, "%.2f ms", seconds * 1e3)
        : String.format(Locale.ROOT, "%.1f us", seconds * 1e6);
  }

  /** An error in scientific notation, or NaN. */
  public static String error(double error) {
    return Double.isNaN(error) ? "NaN" : String.format(Locale.ROOT, "%.1e", error);
  }
}
