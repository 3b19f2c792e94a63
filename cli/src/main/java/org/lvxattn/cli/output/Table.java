// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.output;

import java.util.ArrayList;
import java.util.List;

/** A text table: the first column is left-aligned, the others right-aligned. */
public final class Table {
  private static final String INDENT = "  ";
  private static final String GAP = "  ";

  private final List<String> header;
  private final List<List<String>> rows = new ArrayList<>();

  public Table(String... header) {
    this.header = List.of(header);
  }

  public void row(String... cells) {
    if (cells.length != header.size()) {
      throw new IllegalArgumentException(
          cells.length + " cells in a table of " + header.size() + " columns");
    }
    rows.add(List.of(cells));
  }

  @Override
  public String toString() {
    int[] widths = new int[header.size()];
    measure(header, widths);
    rows.forEach(row -> measure(row, widths));
    StringBuilder text = new StringBuilder();
    append(text, header, widths);
    rows.forEach(row -> append(text, row, widths));
    return text.toString();
  }

  private static void measure(List<String> row, int[] widths) {
    for (int i = 0; i < widths.length; i++) {
      widths[i] = Math.max(widths[i], row.get(i).length());
    }
  }

  private static void append(StringBuilder text, List<String> row, int[] widths) {
    StringBuilder line = new StringBuilder(INDENT);
    for (int i = 0; i < widths.length; i++) {
      String space = " ".repeat(widths[i] - row.get(i).length());
      line.append(i == 0 ? row.get(i) + space : GAP + space + row.get(i));
    }
    text.append(line.toString().stripTrailing()).append('\n');
  }
}
