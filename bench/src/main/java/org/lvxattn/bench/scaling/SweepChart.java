// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.scaling;

import java.awt.BasicStroke;
import java.awt.Color;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.knowm.xchart.ChartEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.colors.XChartSeriesColors;
import org.knowm.xchart.style.lines.SeriesLines;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Lines over logarithmic axes: marks are measured, dashes are planned. */
final class SweepChart {
  private static final int WIDTH = 900;
  private static final int HEIGHT = 560;
  private static final Color[] COLORS = new XChartSeriesColors().getSeriesColors();

  private final XYChart chart;
  private int lines;

  SweepChart(String title, String xTitle, String yTitle) {
    System.setProperty("java.awt.headless", "true"); // a chart needs no screen
    chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title + ": marks measured, dashes planned")
            .xAxisTitle(xTitle)
            .yAxisTitle(yTitle)
            .build();
    chart.getStyler().setXAxisLogarithmic(true);
    chart.getStyler().setYAxisLogarithmic(true);
    // Few sweeps span several powers of ten, so values between them have labels, too.
    chart.getStyler().setXAxisLogarithmicDecadeOnly(false);
    chart.getStyler().setYAxisLogarithmicDecadeOnly(false);
    chart.getStyler().setChartBackgroundColor(Color.WHITE);
    chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
  }

  void line(String name, List<Double> x, List<Double> measured, List<Double> planned) {
    Color color = COLORS[lines % COLORS.length];
    lines++;
    XYSeries marks = chart.addSeries(name, x, measured);
    marks.setLineStyle(SeriesLines.NONE);
    marks.setMarker(SeriesMarkers.CIRCLE);
    marks.setMarkerColor(color);
    XYSeries dashes = chart.addSeries(name + " (plan)", x, planned);
    dashes.setLineStyle(
        new BasicStroke(
            1.5f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 1, new float[] {6, 4}, 0));
    dashes.setLineColor(color);
    dashes.setMarker(SeriesMarkers.NONE);
    dashes.setShowInLegend(false);
  }

  /** Writes name.svg and name.png. */
  void write(Path folder, String name) throws IOException {
    for (String format : List.of("svg", "png")) {
      try (OutputStream out =
          new BufferedOutputStream(Files.newOutputStream(folder.resolve(name + "." + format)))) {
        ChartEncoder.saveChart(chart, out, format);
      }
    }
  }
}
