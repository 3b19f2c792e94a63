// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.scaling;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.bench.Sizes;
import picocli.CommandLine.Option;

/** What is computed at every point of a sweep, how, and how often. */
final class SweepOptions {
  @Option(
      names = "--heads",
      split = ",",
      paramLabel = "N",
      description = "Hq,Hkv,D (default: ${DEFAULT-VALUE}, as in Llama 3-V).",
      defaultValue = "32,8,128")
  private List<Integer> heads = List.of();

  @Option(
      names = "--dtype",
      paramLabel = "T",
      description = "FLOAT64, FLOAT32, BFLOAT16 or FLOAT16 (default: ${DEFAULT-VALUE}).",
      defaultValue = "FLOAT32")
  DType dtype = DType.FLOAT32;

  @Option(names = "--queries", paramLabel = "N", description = "Sq over all ranks.")
  @Nullable Long queries;

  @Option(
      names = "--keys",
      split = ",",
      paramLabel = "N",
      description = "Values of Skv over all ranks.")
  @Nullable List<Long> keys;

  @Option(
      names = "--strategies",
      split = ",",
      paramLabel = "S",
      description = "The strategies to compare.")
  @Nullable List<Strategy> strategies;

  @Option(names = "--warm-ups", paramLabel = "N", description = "Rounds that are not counted.")
  @Nullable Integer warmUps;

  @Option(names = "--rounds", paramLabel = "N", description = "Rounds that are counted.")
  @Nullable Integer rounds;

  Point point(int ranks, long allQueries, long allKeys) {
    if (heads.size() != 3) {
      throw new IllegalArgumentException("--heads " + heads + ": Hq,Hkv,D was expected");
    }
    return new Point(
        ranks, new Sizes(1, allQueries, allKeys, heads.get(0), heads.get(1), heads.get(2)), dtype);
  }
}
