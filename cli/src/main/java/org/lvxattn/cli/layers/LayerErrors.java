// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.lvxattn.errors.RelativeError;
import org.lvxattn.oracle.Results;

/**
 * Errors of whole layers, tensor by tensor as {@link RelativeError} measures them, except for
 * gates. A gate is one number of a layer. Its gradient sums products of both signs over all rows
 * and columns, and may cancel, while the rounding error does not. The gates of one name sum equally
 * many products of similar size in all layers. So the error of a gate's gradient is relative to the
 * largest such gradient of all layers.
 */
final class LayerErrors {
  private LayerErrors() {}

  static SequencedMap<String, Double> of(Results results, Results reference) {
    SequencedMap<String, Double> errors = new LinkedHashMap<>();
    Map<String, Double> gates = largestGates(reference);
    for (String name : results.names()) {
      double[] values = results.get(name);
      double[] expected = reference.get(name);
      Double scale = gates.get(kind(name));
      errors.put(
          name,
          isGate(name, expected) && scale != null
              ? ofGate(values[0], expected[0], scale)
              : RelativeError.of(values, expected));
    }
    return errors;
  }

  private static double ofGate(double value, double expected, double scale) {
    RelativeError error = new RelativeError();
    error.add(value, expected);
    error.add(scale, scale);
    return error.value();
  }

  /** The largest magnitude by name without the layer. */
  private static Map<String, Double> largestGates(Results reference) {
    Map<String, Double> largest = new LinkedHashMap<>();
    for (String name : reference.names()) {
      double[] values = reference.get(name);
      if (isGate(name, values)) {
        largest.merge(kind(name), Math.abs(values[0]), Math::max);
      }
    }
    return largest;
  }

  private static boolean isGate(String name, double[] values) {
    return name.startsWith(LayersRun.WEIGHT) && values.length == 1;
  }

  private static String kind(String name) {
    return name.startsWith(LayersRun.WEIGHT)
        ? LayerStack.withoutLayer(name.substring(LayersRun.WEIGHT.length()))
        : name;
  }
}
