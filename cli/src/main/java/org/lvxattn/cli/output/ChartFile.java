// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.output;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.knowm.xchart.ChartEncoder;
import org.knowm.xchart.internal.chartpart.Chart;

/** Chart files: SVG or PNG, by their extension. */
public final class ChartFile {
  static final int WIDTH = 900;
  static final int HEIGHT = 480;

  private ChartFile() {}

  /**
   * Checks that a file name has a supported extension.
   *
   * @throws IllegalArgumentException that lists the formats, if not
   */
  public static void requireFormat(Path file) {
    if (!isSvg(file) && !hasSuffix(file, ".png")) {
      throw new IllegalArgumentException(
          "chart " + file + ": expected a name ending in .svg or .png");
    }
  }

  private static boolean isSvg(Path file) {
    return hasSuffix(file, ".svg");
  }

  private static boolean hasSuffix(Path file, String suffix) {
    return file.toString().toLowerCase(Locale.ROOT).endsWith(suffix);
  }

  /** Sets headless mode, since a chart needs no display. */
  static void goHeadless() {
    System.setProperty("java.awt.headless", "true");
  }

  static void write(Chart<?, ?> chart, Path file) throws IOException {
    requireFormat(file);
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
      ChartEncoder.saveChart(chart, out, isSvg(file) ? "svg" : "png");
    }
  }
}
