// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.lvxattn.cli.golden.CaseResult;
import org.lvxattn.cli.output.Table;
import org.lvxattn.cli.output.Units;
import org.lvxattn.cli.workload.RelativeError;

/** What {@code lvx verify} says: to programs, and to people. */
record VerifyReport(String group, String device, List<CaseResult> results) {
  private long count(CaseResult.Status status) {
    return results.stream().filter(result -> result.status() == status).count();
  }

  long failed() {
    return count(CaseResult.Status.FAILED);
  }

  Map<String, Object> toJson() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("passed", count(CaseResult.Status.PASSED));
    json.put("failed", failed());
    json.put("skipped", count(CaseResult.Status.SKIPPED));
    json.put("group", group);
    json.put("device", device);
    json.put("cases", results.stream().map(CaseResult::toJson).toList());
    return json;
  }

  /** One line for each case; what failed is told in full. */
  String toText() {
    Table table = new Table("case", "strategy", "ranks", "dtype", "tensors", "worst error", "");
    StringBuilder reasons = new StringBuilder();
    Map<String, List<CaseResult>> lines =
        results.stream()
            .collect(
                Collectors.groupingBy(
                    result -> result.name() + ' ' + result.strategy() + ' ' + result.status(),
                    LinkedHashMap::new,
                    Collectors.toList()));
    for (List<CaseResult> line : lines.values()) {
      CaseResult any = line.getFirst();
      table.row(
          any.name(),
          any.strategy().name(),
          line.stream().map(r -> String.valueOf(r.ranks())).collect(Collectors.joining(",")),
          any.dtype().toString(),
          String.valueOf(any.errors().size()),
          any.errors().isEmpty() ? "-" : Units.error(worst(line)),
          any.status().name().toLowerCase(Locale.ROOT));
      if (any.status() == CaseResult.Status.FAILED) {
        line.forEach(
            result ->
                reasons
                    .append("  ")
                    .append(result.name())
                    .append(", ")
                    .append(result.ranks())
                    .append(" ranks: ")
                    .append(result.reason())
                    .append('\n'));
      } else if (!any.reason().isEmpty()) {
        reasons.append("  ").append(any.name()).append(": ").append(any.reason()).append('\n');
      }
    }
    return table
        + "\n"
        + (reasons.isEmpty() ? "" : reasons + "\n")
        + String.format(
            Locale.ROOT,
            "  %d passed, %d failed, %d skipped%n",
            count(CaseResult.Status.PASSED),
            failed(),
            count(CaseResult.Status.SKIPPED));
  }

  private static double worst(List<CaseResult> line) {
    return line.stream().mapToDouble(CaseResult::worstError).reduce(0, RelativeError::worse);
  }
}
