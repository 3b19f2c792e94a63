// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.cli.workload.Bounds;
import org.lvxattn.cli.workload.EntryError;
import org.lvxattn.cli.workload.RelativeError;
import org.lvxattn.cli.workload.Results;

/** Attention alone, in every way its mask can be handed over. */
final class PlainComparison implements Comparison {
  private static final String HUGE_LOGITS = "plain_huge_logits";
  private static final Set<String> LSE = Set.of("lse", "lse_part");

  private final GoldenCase golden;
  private final DType dtype;
  private @Nullable Results reference;

  PlainComparison(GoldenCase golden, DType dtype) {
    this.golden = golden;
    this.dtype = dtype;
  }

  @Override
  public Judgement compute(Strategy strategy, Ranks ranks) {
    List<NamedResults> ways = new ArrayList<>();
    for (MaskWay way : golden.ways()) {
      ways.add(new NamedResults(golden, way, new ShardedSolver(golden, dtype, strategy, ranks)));
    }
    return () -> errors(ways);
  }

  private Map<String, Double> errors(List<NamedResults> ways) {
    Map<String, Double> errors = new LinkedHashMap<>();
    Results references = reference();
    for (NamedResults results : ways) {
      for (String tensor : references.names()) {
        double error = error(tensor, results.get(tensor), references.get(tensor));
        errors.merge(tensor, error, RelativeError::worse);
      }
      if (!results.windows().isEmpty()) {
        Results merged = MergedParts.of(golden, dtype, results.windows());
        for (String tensor : merged.names()) {
          double error = error(tensor, merged.get(tensor), references.get(tensor));
          errors.merge(tensor, error, RelativeError::worse);
        }
      }
    }
    return errors;
  }

  private double error(String tensor, double[] result, double[] expected) {
    boolean byEntry = golden.spec().judgesLseByEntry() && LSE.contains(tensor);
    return byEntry ? EntryError.of(result, expected) : RelativeError.of(result, expected);
  }

  @Override
  public double bound(String tensor) {
    return Bounds.of(dtype, tensor, golden.spec().name().startsWith(HUGE_LOGITS));
  }

  /**
   * The file's results; those of the oracle on rounded inputs where the dtype cannot hold the
   * file's inputs.
   */
  private Results reference() {
    if (reference == null) {
      boolean half = dtype == DType.BFLOAT16 || dtype == DType.FLOAT16;
      if (half && !golden.spec().exactIn().contains(dtype.toString())) {
        NamedResults rounded =
            new NamedResults(golden, golden.ways().getFirst(), new OracleSolver(golden, dtype));
        Results computed = new Results();
        golden.expected().names().forEach(tensor -> computed.put(tensor, rounded.get(tensor)));
        reference = computed;
      } else {
        reference = golden.expected();
      }
    }
    return reference;
  }
}
