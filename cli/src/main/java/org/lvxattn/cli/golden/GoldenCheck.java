// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.UnsupportedRequestException;

/** One golden file in one dtype, checked for any strategies and numbers of ranks. */
public final class GoldenCheck {
  private final String name;
  private final DType dtype;
  private final @Nullable Comparison comparison;
  private final String reason;
  private final CaseResult.Status unusable;

  private GoldenCheck(
      String name,
      DType dtype,
      @Nullable Comparison comparison,
      String reason,
      CaseResult.Status unusable) {
    this.name = name;
    this.dtype = dtype;
    this.comparison = comparison;
    this.reason = reason;
    this.unusable = unusable;
  }

  /**
   * Reads a file. One that cannot be used gives a check that is skipped or failed, with a reason.
   */
  public static GoldenCheck of(Path file, DType dtype) {
    String name = String.valueOf(file.getFileName()).replaceFirst("\\.safetensors$", "");
    try {
      GoldenSpec spec = GoldenSpec.read(file);
      name = spec.name();
      if (!spec.unsupported().isEmpty()) {
        CaseResult.Status status = CaseResult.Status.SKIPPED;
        return new GoldenCheck(name, dtype, null, spec.unsupported(), status);
      }
      if (!spec.isAttention() && (dtype == DType.BFLOAT16 || dtype == DType.FLOAT16)) {
        String reason =
            "whole layers are judged in float32 and float64: a layer rounds to "
                + dtype
                + " after each of its operations, and how much of that is left at its end depends"
                + " on its weights, so the bounds of attention say nothing of it";
        return new GoldenCheck(name, dtype, null, reason, CaseResult.Status.SKIPPED);
      }
      Comparison comparison =
          spec.isAttention()
              ? new PlainComparison(GoldenCase.read(file, spec), dtype)
              : LayerComparison.read(file, spec, dtype);
      return new GoldenCheck(name, dtype, comparison, "", CaseResult.Status.FAILED);
    } catch (IOException | GoldenException e) {
      String reason = String.valueOf(e.getMessage());
      return new GoldenCheck(name, dtype, null, reason, CaseResult.Status.FAILED);
    }
  }

  /** The case's name; the file's where it does not say. */
  public String name() {
    return name;
  }

  /** Runs the case in every way there is to compute it, and judges the worst. */
  public CaseResult run(Strategy strategy, Ranks ranks) {
    int size = ranks.size();
    try {
      agree(strategy, ranks);
      if (comparison == null) {
        return new CaseResult(name, strategy, size, dtype, unusable, Map.of(), reason);
      }
      Map<String, Double> errors = comparison.compute(strategy, ranks).errors();
      String failure = judge(comparison, errors);
      CaseResult.Status status =
          failure.isEmpty() ? CaseResult.Status.PASSED : CaseResult.Status.FAILED;
      return new CaseResult(name, strategy, size, dtype, status, errors, failure);
    } catch (UnsupportedRequestException e) {
      CaseResult.Status status = CaseResult.Status.SKIPPED;
      return new CaseResult(
          name, strategy, size, dtype, status, Map.of(), String.valueOf(e.getMessage()));
    } catch (RuntimeException e) {
      String failure = e.getClass().getSimpleName() + ": " + e.getMessage();
      CaseResult.Status status = CaseResult.Status.FAILED;
      return new CaseResult(name, strategy, size, dtype, status, Map.of(), failure);
    }
  }

  /** Another rank's part in {@link #run}, which one process calls and judges for all. */
  public void assist(Strategy strategy, Ranks ranks) {
    try {
      agree(strategy, ranks);
      if (comparison != null) {
        comparison.compute(strategy, ranks);
      }
    } catch (RuntimeException e) {
      // The rank that judges fails as well, and says so.
    }
  }

  private void agree(Strategy strategy, Ranks ranks) {
    ranks.agree(
        name + " by " + strategy + " in " + dtype + (reason.isEmpty() ? "" : ": " + reason));
  }

  private static String judge(Comparison comparison, Map<String, Double> errors) {
    StringBuilder text = new StringBuilder();
    errors.forEach(
        (tensor, error) -> {
          double bound = comparison.bound(tensor);
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
