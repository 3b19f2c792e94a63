// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.output;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.ChartEncoder;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Bars side by side: one group for each category, one bar in it for each series. */
public final class BarChart {
  private static final int WIDTH = 900;
  private static final int HEIGHT = 480;

  private final CategoryChart chart;
  private final List<String> categories;

  public BarChart(String title, List<String> categories, String values) {
    System.setProperty("java.awt.headless", "true"); // a chart needs no screen
    this.categories = List.copyOf(categories);
    this.chart =
        new CategoryChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .yAxisTitle(values)
            .build();
    chart.getStyler().setLegendPosition(LegendPosition.InsideNW);
    chart.getStyler().setYAxisMin(0.0);
  }

  /** Adds one number for each category. */
  public void series(String name, List<Double> values) {
    chart.addSeries(name, categories, values);
  }

  /**
   * Whether a file's name ends in a format there is.
   *
   * @throws IllegalArgumentException naming the formats if it does not
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

  /** Writes SVG or PNG, as the file's name says. */
  public void write(Path file) throws IOException {
    requireFormat(file);
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
      ChartEncoder.saveChart(chart, out, isSvg(file) ? "svg" : "png");
    }
  }
}
