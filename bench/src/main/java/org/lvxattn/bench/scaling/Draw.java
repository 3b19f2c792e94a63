// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.scaling;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Combines the rows of several files in one report. */
@Command(name = "draw", mixinStandardHelpOptions = true, sortOptions = false)
public final class Draw implements Callable<Integer> {
  @Parameters(arity = "1..*", description = "Files of rows.")
  private List<Path> files = List.of();

  @Option(names = "--out", required = true, description = "Folder for rows.json and the charts.")
  private Path out = Path.of("");

  public static void main(String[] arguments) {
    System.exit(new CommandLine(new Draw()).execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    List<Row> rows = new ArrayList<>();
    for (Path file : files) {
      rows.addAll(Rows.read(file));
    }
    Report report = new Report(rows);
    System.out.print(report.table());
    report.write(out);
    System.out.println("\nRows and charts: " + out);
    return 0;
  }
}
