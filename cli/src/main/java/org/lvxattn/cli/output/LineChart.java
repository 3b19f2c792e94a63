// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.output;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** A chart of values over steps, one line for each series; later lines are thinner. */
public final class LineChart {
  private static final float WIDEST = 6;

  private final XYChart chart;
  private float width = WIDEST;

  public LineChart(String title, String steps, String values) {
    ChartFile.goHeadless();
    chart =
        new XYChartBuilder()
            .width(ChartFile.WIDTH)
            .height(ChartFile.HEIGHT)
            .title(title)
            .xAxisTitle(steps)
            .yAxisTitle(values)
            .build();
    chart.getStyler().setLegendPosition(LegendPosition.InsideNE);
    chart.getStyler().setYAxisMin(0.0);
  }

  /** Adds one number for each step, from step 1. */
  public void series(String name, List<Double> values) {
    List<Integer> steps = IntStream.rangeClosed(1, values.size()).boxed().toList();
    XYSeries series = chart.addSeries(name, steps, values);
    series.setMarker(SeriesMarkers.NONE);
    series.setLineWidth(width); // so that overlapping lines stay visible
    width /= 3;
  }

  /** Writes the chart to an {@code .svg} or {@code .png} file. */
  public void write(Path file) throws IOException {
    ChartFile.write(chart, file);
  }
}
