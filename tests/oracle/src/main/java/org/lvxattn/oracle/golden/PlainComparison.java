// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.errors.EntryError;
import org.lvxattn.errors.RelativeError;
import org.lvxattn.oracle.Bounds;
import org.lvxattn.oracle.Results;

/** Compares attention alone, in every way to pass its mask. */
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
    Map<String, NamedResults> ways = new LinkedHashMap<>();
    for (MaskWay way : golden.ways()) {
      Solver solver = new ShardedSolver(golden, dtype, strategy, ranks);
      ways.put(way.name(), new NamedResults(golden, way, solver));
    }
    return new Judgement() {
      @Override
      public Map<String, Double> errors() {
        return PlainComparison.this.errors(ways.values());
      }

      @Override
      public Map<String, String> digests() {
        Digests digests = new Digests();
        ways.forEach(
            (way, results) ->
                results.names().forEach(name -> digests.put(way, name, results.get(name))));
        return digests.all();
      }
    };
  }

  private Map<String, Double> errors(Collection<NamedResults> ways) {
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
   * The file's results; or the oracle's on rounded inputs, if the dtype cannot represent the file's
   * inputs.
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
