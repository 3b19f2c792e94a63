// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.VisualCheckpoint.Policy;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Whole layers instead of one attention. */
final class LayerOptions {
  private static final int ALL = 0;

  @Option(
      names = "--layers",
      paramLabel = "N|all",
      converter = Count.class,
      description = "Compute so many whole layers of the model, or all that it has.")
  private @Nullable Integer layers;

  @Option(
      names = "--policy",
      paramLabel = "P",
      converter = Policies.class,
      description =
          "With --layers: what is kept of keys and values, KEEP, RECOMPUTE, RECOMPUTE_TILED or all"
              + " (default), one after the other.")
  private @Nullable List<Policy> policies;

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
          "With --layers: width and heads, as a part of the model's own (default: the largest of 1,"
              + " 1/2, 1/4, ... whose memory is there).")
  private @Nullable Double scaleWidth;

  boolean areAsked() {
    if (layers == null && (policies != null || tileRows != null || scaleWidth != null)) {
      throw new UsageException("--policy, --tile-rows and --scale-width go with --layers alone");
    }
    return layers != null;
  }

  /** How many, of a model that has so many. */
  int layers(int all) {
    return layers == null || layers == ALL ? all : layers;
  }

  List<Policy> policies() {
    return policies == null ? List.of(Policy.values()) : policies;
  }

  int tileRows() {
    return tileRows == null ? 256 : tileRows;
  }

  /** Null: by the memory. */
  @Nullable Double scaleWidth() {
    if (scaleWidth != null && !(scaleWidth > 0 && scaleWidth <= 1)) {
      throw new UsageException("--scale-width " + scaleWidth + ", expected above 0 up to 1");
    }
    return scaleWidth;
  }

  /** A number of layers, or all. */
  static final class Count implements ITypeConverter<Integer> {
    @Override
    public Integer convert(String word) {
      return word.equals("all") ? ALL : new Positive().convert(word);
    }
  }

  /** One policy, or all. */
  static final class Policies implements ITypeConverter<List<Policy>> {
    @Override
    public List<Policy> convert(String word) {
      if (word.equals("all")) {
        return List.of(Policy.values());
      }
      for (Policy policy : Policy.values()) {
        if (policy.name().equalsIgnoreCase(word)) {
          return List.of(policy);
        }
      }
      throw new TypeConversionException(
          "unknown policy '" + word + "', expected KEEP, RECOMPUTE, RECOMPUTE_TILED or all");
    }
  }
}
