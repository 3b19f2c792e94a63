// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.lvxattn.cli.workload.RelativeError;
import org.lvxattn.cli.workload.Results;

/**
 * How far whole layers are off, tensor by tensor as {@link RelativeError} measures it, but for
 * gates. A gate is one number in a layer; its gradient sums a product of either sign over all rows
 * and columns, and may happen to cancel, while its error stays that of the summands. All layers'
 * gates of one name sum as many products of like size, so a gate's gradient is measured by the
 * largest of them.
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

  /** By name without the layer, the largest magnitude. */
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
