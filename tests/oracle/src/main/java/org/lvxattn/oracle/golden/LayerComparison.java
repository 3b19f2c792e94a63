// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.errors.RelativeError;
import org.lvxattn.oracle.Bounds;
import org.lvxattn.oracle.Results;
import org.lvxattn.oracle.Sequences;
import org.lvxattn.oracle.Split;
import org.lvxattn.oracle.golden.LayerProblem.Cut;
import org.lvxattn.oracle.golden.LayerProblem.Way;
import org.lvxattn.plan.RecomputePolicy;

/** Compares a whole layer with every recomputation policy. */
final class LayerComparison implements Comparison {
  private final LayerFile file;
  private final LayerProblem problem;
  private final DType dtype;

  private LayerComparison(LayerFile file, LayerProblem problem, DType dtype) {
    this.file = file;
    this.problem = problem;
    this.dtype = dtype;
  }

  /**
   * Reads a case whose spec was already read.
   *
   * @throws GoldenException if the layer is unknown
   */
  static LayerComparison read(Path path, GoldenSpec spec, DType dtype) throws IOException {
    LayerFile file = LayerFile.read(path, spec);
    try {
      LayerProblem problem =
          switch (spec.kind()) {
            case "layer_llama3v" -> new LlamaProblem(file);
            case "layer_openflamingo" -> new FlamingoProblem(file);
            case "layer_perceiver" -> new PerceiverProblem(file);
            case "layer_mplugowl3" -> new Owl3Problem(file);
            default -> throw new GoldenException("kind '" + spec.kind() + "' is no known layer");
          };
      return new LayerComparison(file, problem, dtype);
    } catch (IllegalArgumentException e) {
      throw new GoldenException("the spec: " + e.getMessage());
    }
  }

  @Override
  public Judgement compute(Strategy strategy, Ranks ranks) {
    Random random = new Random(31L * file.spec().name().hashCode() + ranks.size());
    LayerProblem.Rows rows = problem.rows();
    Cut cut =
        new Cut(
            Split.uneven(rows.text(), ranks.size(), random),
            Split.uneven(rows.visual(), ranks.size(), random),
            Split.uneven(rows.past(), ranks.size(), random));
    Map<String, Results> all = new LinkedHashMap<>();
    for (RecomputePolicy policy : RecomputePolicy.values()) {
      Way way = new Way(dtype, strategy, policy);
      Results joined = join(ranks.run(group -> problem.run(group, cut, way)), cut);
      all.put(policy.name(), problem.named(joined));
    }
    return new Judgement() {
      @Override
      public Map<String, Double> errors() {
        return LayerComparison.this.errors(all.values());
      }

      @Override
      public Map<String, String> digests() {
        Digests digests = new Digests();
        all.forEach(
            (policy, results) ->
                results.names().forEach(name -> digests.put(policy, name, results.get(name))));
        return digests.all();
      }
    };
  }

  /**
   * Concatenates sharded results; of results that are the same on all ranks, takes the first
   * rank's.
   */
  private Results join(List<Results> shards, Cut cut) {
    Map<String, RowLayout> layouts = problem.layouts(cut);
    Results whole = new Results();
    for (String name : shards.getFirst().names()) {
      RowLayout layout = layouts.get(name);
      whole.put(
          name,
          layout == null
              ? shards.getFirst().get(name)
              : Sequences.join(
                  shards.stream().map(shard -> shard.get(name)).toList(),
                  layout.blocks(),
                  layout.split(),
                  layout.width()));
    }
    return whole;
  }

  private Map<String, Double> errors(Collection<Results> all) {
    Map<String, Double> errors = new LinkedHashMap<>();
    Results expected = file.expected();
    for (Results results : all) {
      Set<String> given = results.names();
      for (String tensor : expected.names()) {
        if (given.contains(tensor)) {
          merge(errors, tensor, results.get(tensor));
        } else if (!problem.hides(tensor)) {
          throw new GoldenException("the file holds " + tensor + ", which no such layer gives");
        }
      }
      if (given.contains(LayerProblem.DECODED)) {
        merge(errors, "out", results.get(LayerProblem.DECODED));
      }
    }
    return errors;
  }

  private void merge(Map<String, Double> errors, String tensor, double[] result) {
    double[] expected = file.expected().get(tensor);
    if (result.length != expected.length) {
      throw new GoldenException(
          tensor + " holds " + expected.length + " numbers, expected " + result.length);
    }
    errors.merge(tensor, RelativeError.of(result, expected), RelativeError::worse);
  }

  @Override
  public double bound(String tensor) {
    return Bounds.ofLayer(dtype);
  }
}
