// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.List;
import java.util.concurrent.Callable;
import org.lvxattn.cli.output.Json;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code lvx doctor}: what this machine has, what it lacks, and how to get it. */
@Command(
    name = "doctor",
    description =
        "Lists what this machine has and lacks of what lvxattn needs or can use, and how to get"
            + " it.",
    sortOptions = false)
final class DoctorCommand implements Callable<Integer> {
  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Override
  public Integer call() {
    DoctorReport report = new DoctorReport(List.copyOf(Examination.all()));
    System.out.print(json ? Json.write(report.toJson()) + "\n" : report.toText());
    return report.ok() ? 0 : 2;
  }
}
