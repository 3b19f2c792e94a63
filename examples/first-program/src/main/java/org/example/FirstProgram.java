// SPDX-License-Identifier: Apache-2.0
package org.example;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import org.lvxattn.DType;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.io.StoredTensor;
import org.lvxattn.io.StoredTensors;
import org.lvxattn.model.LlamaCrossAttentionLayer;
import org.lvxattn.model.Parameters;
import org.lvxattn.model.VisualMask;
import org.lvxattn.visual.VisualCheckpoint;

/**
 * Computes a layer of a checkpoint over four ranks and compares the result with the stored output.
 */
public final class FirstProgram {
  private static final LlamaCrossAttentionLayer LAYER =
      LlamaCrossAttentionLayer.builder()
          .hidden(32)
          .heads(4)
          .keyValueHeads(2)
          .headDim(8)
          .intermediate(64)
          .build();

  private FirstProgram() {}

  public static void main(String[] arguments) {
    Path file = Path.of(arguments.length > 0 ? arguments[0] : "layer.safetensors");
    List<Double> errors = LocalWorld.run(4, group -> error(group, file)); // threads of this JVM
    double error = errors.stream().mapToDouble(Double::doubleValue).max().orElseThrow();
    System.out.printf("4 ranks, largest error %.1e: %s%n", error, error < 1e-5 ? "right" : "WRONG");
  }

  /** Runs one rank: its text rows attend to the features of all ranks. */
  private static double error(Group group, Path file) {
    try (var checkpoint = StoredTensors.open(file);
        var weights =
            Parameters.load(
                group.device(),
                DType.FLOAT32,
                checkpoint,
                "language_model.model.layers.3.",
                LAYER.parameterShapes());
        var text = shard(group, checkpoint.tensor("text"));
        var expected = shard(group, checkpoint.tensor("output"));
        var visual =
            VisualCheckpoint.builder(group, shard(group, checkpoint.tensor("features")))
                .closeFeatures()
                .build();
        var result = LAYER.forward(weights, text, visual, VisualMask.none())) {
      return largestDifference(result.output().toFloats(), expected.toFloats());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** This rank's rows of a stored tensor {@code [1, rows, hidden]}. */
  private static Tensor shard(Group group, StoredTensor stored) {
    long rows = stored.shape()[1];
    long begin = rows * group.rank() / group.size();
    long end = rows * (group.rank() + 1) / group.size();
    try (Tensor whole = stored.load(group.device(), DType.FLOAT32)) {
      Tensor part =
          Tensor.allocate(group.device(), DType.FLOAT32, 1, end - begin, whole.dimension(2));
      return part.copyFrom(whole.slice(1, begin, end));
    }
  }

  private static double largestDifference(float[] actual, float[] expected) {
    double largest = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(actual[i] - expected[i]));
    }
    return largest;
  }
}
