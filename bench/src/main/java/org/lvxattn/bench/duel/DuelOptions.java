// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.duel;

import java.util.List;
import java.util.stream.Stream;
import org.lvxattn.bench.NamedShape;
import picocli.CommandLine.Option;

/** What is compared, and how often. */
final class DuelOptions {
  private static final String PASSES = "forward,backward,decode";

  @Option(
      names = "--shapes",
      split = ",",
      paramLabel = "NAME",
      description =
          "Of llama3v, owl3-7b, flamingo, decode, short, odd (default: ${DEFAULT-VALUE}).",
      defaultValue = "llama3v,owl3-7b,flamingo,decode")
  private List<String> shapes = List.of();

  @Option(
      names = "--passes",
      split = ",",
      paramLabel = "PASS",
      description = "Of forward, backward, decode (default: all).",
      defaultValue = PASSES)
  private List<String> passes = List.of();

  @Option(
      names = "--dtypes",
      split = ",",
      paramLabel = "T",
      description = "Of float32, bfloat16, float16 (default: ${DEFAULT-VALUE}).",
      defaultValue = "float32,bfloat16")
  private List<String> dtypes = List.of();

  @Option(
      names = "--rounds",
      paramLabel = "N",
      description = "Rounds in which both take their turn (default: ${DEFAULT-VALUE}).",
      defaultValue = "7")
  int rounds;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads that compute (default: as many as there are processors).")
  int threads = Runtime.getRuntime().availableProcessors();

  List<Case> cases() {
    Stream.of(passes)
        .flatMap(List::stream)
        .filter(pass -> !List.of(PASSES.split(",", -1)).contains(pass))
        .findFirst()
        .ifPresent(
            pass -> {
              throw new IllegalArgumentException("'" + pass + "' is no pass of " + PASSES);
            });
    return Case.of(shapes.stream().map(NamedShape::named).toList(), dtypes).stream()
        .filter(each -> passes.contains(each.pass()))
        .toList();
  }
}
