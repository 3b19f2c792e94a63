// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** Tensors that an attention gave, by name. */
public final class Results {
  private final Map<String, double[]> tensors = new LinkedHashMap<>();

  public void put(String name, double[] values) {
    tensors.put(name, values);
  }

  /** The names, in the order in which the tensors were put. */
  public Set<String> names() {
    return tensors.keySet();
  }

  /**
   * One tensor.
   *
   * @throws IllegalArgumentException if there is none of that name
   */
  public double[] get(String name) {
    double[] values = tensors.get(name);
    if (values == null) {
      throw new IllegalArgumentException("no tensor " + name + "; there are " + tensors.keySet());
    }
    return values;
  }

  /** The error of every tensor of these results. */
  public Map<String, Double> errors(Results reference) {
    Map<String, Double> errors = new LinkedHashMap<>();
    tensors.forEach(
        (name, values) -> errors.put(name, RelativeError.of(values, reference.get(name))));
    return errors;
  }
}
