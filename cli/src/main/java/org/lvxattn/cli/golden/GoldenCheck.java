// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.UnsupportedRequestException;
import org.lvxattn.cli.workload.Bounds;
import org.lvxattn.cli.workload.RelativeError;
import org.lvxattn.cli.workload.Results;

/** One golden file in one dtype, checked for any strategies and numbers of ranks. */
public final class GoldenCheck {
  private static final String HUGE_LOGITS = "plain_huge_logits";

  private final String name;
  private final DType dtype;
  private @Nullable GoldenCase golden;
  private @Nullable Results reference;
  private String reason = "";
  private boolean skipped;

  private GoldenCheck(String name, DType dtype) {
    this.name = name;
    this.dtype = dtype;
  }

  /**
   * Reads a file. One that cannot be used gives a check that is skipped or failed, with a reason.
   */
  public static GoldenCheck of(Path file, DType dtype) {
    String stem = String.valueOf(file.getFileName()).replaceFirst("\\.safetensors$", "");
    GoldenCheck unread = new GoldenCheck(stem, dtype);
    try {
      GoldenSpec spec = GoldenSpec.read(file);
      GoldenCheck check = new GoldenCheck(spec.name(), dtype);
      if (spec.isPlain()) {
        check.golden = GoldenCase.read(file, spec);
      } else {
        check.skipped = true;
        check.reason = "whole layers (" + spec.kind() + ") are not part of this version";
      }
      return check;
    } catch (IOException | GoldenException e) {
      unread.reason = String.valueOf(e.getMessage());
      return unread;
    }
  }

  /** The case's name; the file's where it does not say. */
  public String name() {
    return name;
  }

  /** Runs the case in every way its mask can be handed over, and judges the worst. */
  public CaseResult run(Strategy strategy, Ranks ranks) {
    int size = ranks.size();
    Map<String, Double> errors = new LinkedHashMap<>();
    String failure = "";
    try {
      List<NamedResults> ways = compute(strategy, ranks);
      if (golden == null) {
        CaseResult.Status status = skipped ? CaseResult.Status.SKIPPED : CaseResult.Status.FAILED;
        return new CaseResult(name, strategy, size, dtype, status, Map.of(), reason);
      }
      Results references = reference(golden);
      for (NamedResults results : ways) {
        for (String tensor : references.names()) {
          errors.merge(
              tensor,
              RelativeError.of(results.get(tensor), references.get(tensor)),
              RelativeError::worse);
        }
        if (!results.windows().isEmpty()) {
          MergedParts.of(golden, dtype, results.windows())
              .errors(references)
              .forEach((tensor, error) -> errors.merge(tensor, error, RelativeError::worse));
        }
      }
      failure = judge(errors);
    } catch (UnsupportedRequestException e) {
      CaseResult.Status status = CaseResult.Status.SKIPPED;
      return new CaseResult(
          name, strategy, size, dtype, status, Map.of(), String.valueOf(e.getMessage()));
    } catch (RuntimeException e) {
      failure = e.getClass().getSimpleName() + ": " + e.getMessage();
    }
    CaseResult.Status status =
        failure.isEmpty() ? CaseResult.Status.PASSED : CaseResult.Status.FAILED;
    return new CaseResult(name, strategy, size, dtype, status, errors, failure);
  }

  /** Another rank's part in {@link #run}, which one process calls and judges for all. */
  public void assist(Strategy strategy, Ranks ranks) {
    try {
      compute(strategy, ranks);
    } catch (RuntimeException e) {
      // The rank that judges fails as well, and says so.
    }
  }

  /** The whole computation before any judgement: what ranks exchange depends on no result. */
  private List<NamedResults> compute(Strategy strategy, Ranks ranks) {
    ranks.agree(
        name + " by " + strategy + " in " + dtype + (reason.isEmpty() ? "" : ": " + reason));
    List<NamedResults> results = new ArrayList<>();
    if (golden != null) {
      for (MaskWay way : golden.ways()) {
        results.add(
            new NamedResults(golden, way, new ShardedSolver(golden, dtype, strategy, ranks)));
      }
    }
    return results;
  }

  /**
   * The file's results; those of the oracle on rounded inputs where the dtype cannot hold the
   * file's inputs.
   */
  private Results reference(GoldenCase of) {
    if (reference == null) {
      boolean half = dtype == DType.BFLOAT16 || dtype == DType.FLOAT16;
      if (half && !of.spec().exactIn().contains(dtype.toString())) {
        NamedResults rounded =
            new NamedResults(of, of.ways().getFirst(), new OracleSolver(of, dtype));
        Results computed = new Results();
        of.expected().names().forEach(tensor -> computed.put(tensor, rounded.get(tensor)));
        reference = computed;
      } else {
        reference = of.expected();
      }
    }
    return reference;
  }

  private String judge(Map<String, Double> errors) {
    StringBuilder text = new StringBuilder();
    errors.forEach(
        (tensor, error) -> {
          double bound = Bounds.of(dtype, tensor, name.startsWith(HUGE_LOGITS));
          if (!(error <= bound)) {
            text.append(text.isEmpty() ? "" : "; ")
                .append(tensor)
                .append(" is off by ")
                .append(error)
                .append(", expected at most ")
                .append(bound);
          }
        });
    return text.toString();
  }
}
