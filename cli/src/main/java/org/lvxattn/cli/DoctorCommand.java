// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.lvxattn.cli.output.Json;
import org.lvxattn.diagnostics.DiagnosticReport;
import org.lvxattn.diagnostics.DiagnosticReport.Item;
import org.lvxattn.diagnostics.DiagnosticReport.Status;
import org.lvxattn.diagnostics.Diagnostics;
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
    List<Item> items = new ArrayList<>(Diagnostics.report().items());
    for (String tool : List.of("mvn", "cmake", "ninja", "g++")) {
      items.add(tool(tool, "needed only to build from source; install it by your package manager"));
    }
    items.add(tool("nvcc", "needed only to build CUDA kernels; part of NVIDIA's CUDA Toolkit"));
    DiagnosticReport report = new DiagnosticReport(items);
    System.out.print(json ? Json.write(toJson(report)) + "\n" : report.toString());
    return report.ok() ? 0 : 2;
  }

  private static Map<String, Object> toJson(DiagnosticReport report) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("ok", report.ok());
    fields.put("items", report.items().stream().map(DoctorCommand::toJson).toList());
    return fields;
  }

  private static Map<String, Object> toJson(Item item) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("name", item.name());
    fields.put("status", item.status().name().toLowerCase(Locale.ROOT));
    fields.put("detail", item.detail());
    fields.put("remedy", item.remedy());
    return fields;
  }

  private static Item tool(String name, String remedy) {
    Path found = onPath(name);
    return found == null
        ? new Item(name, Status.ABSENT, "not on the PATH", remedy)
        : Item.ok(name, found.toString());
  }

  private static @Nullable Path onPath(String name) {
    String path = System.getenv("PATH");
    for (String folder : path == null ? new String[0] : path.split(File.pathSeparator)) {
      Path file = Path.of(folder, name);
      if (Files.isExecutable(file) && !Files.isDirectory(file)) {
        return file;
      }
    }
    return null;
  }
}
