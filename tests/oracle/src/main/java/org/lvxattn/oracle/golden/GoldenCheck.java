// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.UnsupportedRequestException;

/** Checks one golden file in one dtype, for any strategies and numbers of ranks. */
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

  /** Reads a file. If it cannot be used, the check is skipped or fails, with a reason. */
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

  /** The case's name, or the file's name if it has none. */
  public String name() {
    return name;
  }

  /**
   * Runs the case in every way to compute it, and reports the largest errors.
   *
   * @param digest whether the result holds digests of every tensor
   */
  public CaseResult run(Strategy strategy, Ranks ranks, boolean digest) {
    int size = ranks.size();
    try {
      agree(strategy, ranks);
      if (comparison == null) {
        return without(unusable, strategy, size, reason);
      }
      Comparison.Judgement judgement = comparison.compute(strategy, ranks);
      Map<String, Double> errors = judgement.errors();
      Map<String, String> digests = digest ? judgement.digests() : Map.of();
      String failure = judge(comparison, errors);
      CaseResult.Status status =
          failure.isEmpty() ? CaseResult.Status.PASSED : CaseResult.Status.FAILED;
      return new CaseResult(name, strategy, size, dtype, status, errors, digests, failure);
    } catch (UnsupportedRequestException e) {
      return without(CaseResult.Status.SKIPPED, strategy, size, String.valueOf(e.getMessage()));
    } catch (RuntimeException e) {
      String failure = e.getClass().getSimpleName() + ": " + e.getMessage();
      return without(CaseResult.Status.FAILED, strategy, size, failure);
    }
  }

  private CaseResult without(CaseResult.Status status, Strategy strategy, int size, String why) {
    return new CaseResult(name, strategy, size, dtype, status, Map.of(), Map.of(), why);
  }

  /** Another rank's part of {@link #run}, which one process calls to compare results for all. */
  public void assist(Strategy strategy, Ranks ranks) {
    try {
      agree(strategy, ranks);
      if (comparison != null) {
        comparison.compute(strategy, ranks);
      }
    } catch (RuntimeException e) {
      // The rank that compares fails as well, and reports it.
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
