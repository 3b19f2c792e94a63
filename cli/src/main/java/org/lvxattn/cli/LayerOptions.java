// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.plan.RecomputePolicy;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Options for whole layers instead of attention alone. */
final class LayerOptions {
  private static final int ALL = 0;

  @Option(
      names = "--layers",
      paramLabel = "N|all",
      converter = Count.class,
      description = "Number of whole layers of the model to compute, or all.")
  private @Nullable Integer layers;

  @Option(
      names = "--policy",
      paramLabel = "P",
      converter = Policies.class,
      description =
          "With --layers: recomputation policy, KEEP, RECOMPUTE, RECOMPUTE_TILED or all (default)"
              + " in turn.")
  private @Nullable List<RecomputePolicy> policies;

  @Option(
      names = "--tile-rows",
      paramLabel = "N",
      converter = Positive.class,
      description =
          "With --layers: visual rows that RECOMPUTE_TILED projects at a time (default: 256).")
  private @Nullable Integer tileRows;

  @Option(
      names = "--scale-width",
      paramLabel = "X",
      description =
          "With --layers: width and heads as a fraction of the model's own (default: the largest of"
              + " 1, 1/2, 1/4, ... that fits into memory).")
  private @Nullable Double scaleWidth;

  boolean areAsked() {
    if (layers == null && (policies != null || tileRows != null || scaleWidth != null)) {
      throw new UsageException("--policy, --tile-rows and --scale-width go with --layers alone");
    }
    return layers != null;
  }

  /** Number of layers to compute, of a model with the given number. */
  int layers(int all) {
    return layers == null || layers == ALL ? all : layers;
  }

  List<RecomputePolicy> policies() {
    return policies == null ? List.of(RecomputePolicy.values()) : policies;
  }

  int tileRows() {
    return tileRows == null ? 256 : tileRows;
  }

  /** The scale; null to derive it from the memory. */
  @Nullable Double scaleWidth() {
    if (scaleWidth != null && !(scaleWidth > 0 && scaleWidth <= 1)) {
      throw new UsageException("--scale-width " + scaleWidth + ", expected above 0 up to 1");
    }
    return scaleWidth;
  }

  /** Parses a number of layers, or all. */
  static final class Count implements ITypeConverter<Integer> {
    @Override
    public Integer convert(String word) {
      return word.equals("all") ? ALL : new Positive().convert(word);
    }
  }

  /** Parses one policy, or all. */
  static final class Policies implements ITypeConverter<List<RecomputePolicy>> {
    @Override
    public List<RecomputePolicy> convert(String word) {
      if (word.equals("all")) {
        return List.of(RecomputePolicy.values());
      }
      for (RecomputePolicy policy : RecomputePolicy.values()) {
        if (policy.name().equalsIgnoreCase(word)) {
          return List.of(policy);
        }
      }
      throw new TypeConversionException(
          "unknown policy '" + word + "', expected KEEP, RECOMPUTE, RECOMPUTE_TILED or all");
    }
  }
}
