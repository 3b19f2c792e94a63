// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.output;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;

/** A grouped bar chart: one group for each category, with one bar for each series. */
public final class BarChart {
  private final CategoryChart chart;
  private final List<String> categories;

  public BarChart(String title, List<String> categories, String values) {
    ChartFile.goHeadless();
    this.categories = List.copyOf(categories);
    this.chart =
        new CategoryChartBuilder()
            .width(ChartFile.WIDTH)
            .height(ChartFile.HEIGHT)
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

  /** Writes the chart to an {@code .svg} or {@code .png} file. */
  public void write(Path file) throws IOException {
    ChartFile.write(chart, file);
  }
}
