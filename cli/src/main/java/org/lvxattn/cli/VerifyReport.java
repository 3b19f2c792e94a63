// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.lvxattn.cli.output.Table;
import org.lvxattn.cli.output.Units;
import org.lvxattn.errors.RelativeError;
import org.lvxattn.oracle.golden.CaseResult;

/** The report of {@code lvx verify}, as JSON or text. */
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

  /** A line for each case and strategy, then the reasons of skipped and failed ones. */
  String toText() {
    Table table = new Table("case", "strategy", "ranks", "dtype", "tensors", "worst error", "");
    group(r -> r.name() + ' ' + r.strategy() + ' ' + r.status())
        .forEach(
            line ->
                table.row(
                    line.getFirst().name(),
                    line.getFirst().strategy().name(),
                    ranks(line),
                    line.getFirst().dtype().toString(),
                    String.valueOf(line.getFirst().errors().size()),
                    line.getFirst().errors().isEmpty() ? "-" : Units.error(worst(line)),
                    word(line.getFirst().status())));
    StringBuilder reasons = new StringBuilder();
    for (List<CaseResult> same : group(r -> r.status() + r.reason())) {
      if (!same.getFirst().reason().isEmpty()) {
        String status = word(same.getFirst().status());
        reasons
            .append(String.format(Locale.ROOT, "  %s: %s%n", status, same.getFirst().reason()))
            .append(String.format(Locale.ROOT, "    %s%n", names(same)));
      }
    }
    return table
        + "\n"
        + digests()
        + (reasons.isEmpty() ? "" : reasons + "\n")
        + String.format(
            Locale.ROOT,
            "  %d passed, %d failed, %d skipped%n",
            count(CaseResult.Status.PASSED),
            failed(),
            count(CaseResult.Status.SKIPPED));
  }

  /** A line for each digest, in the format of sha256sum. */
  private String digests() {
    StringBuilder lines = new StringBuilder();
    for (CaseResult result : results) {
      String prefix =
          result.name() + " " + result.strategy() + " " + result.ranks() + " " + result.dtype();
      result
          .digests()
          .forEach((tensor, digest) -> lines.append(digest + "  " + prefix + " " + tensor + "\n"));
    }
    return lines.isEmpty() ? "" : lines + "\n";
  }

  private Collection<List<CaseResult>> group(Function<CaseResult, String> key) {
    return results.stream()
        .collect(Collectors.groupingBy(key, LinkedHashMap::new, Collectors.toList()))
        .values();
  }

  /** Each case with its strategy and ranks. */
  private static String names(List<CaseResult> entries) {
    Map<String, List<CaseResult>> cases =
        entries.stream()
            .collect(
                Collectors.groupingBy(
                    r -> r.name() + " (" + r.strategy(), LinkedHashMap::new, Collectors.toList()));
    return cases.entrySet().stream()
        .map(entry -> entry.getKey() + ", ranks " + ranks(entry.getValue()) + ")")
        .collect(Collectors.joining(", "));
  }

  private static String ranks(List<CaseResult> entries) {
    return entries.stream().map(r -> String.valueOf(r.ranks())).collect(Collectors.joining(","));
  }

  private static String word(CaseResult.Status status) {
    return status.name().toLowerCase(Locale.ROOT);
  }

  private static double worst(List<CaseResult> line) {
    return line.stream().mapToDouble(CaseResult::worstError).reduce(0, RelativeError::worse);
  }
}
