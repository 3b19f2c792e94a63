// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.lvxattn.errors.RelativeError;

/** Result tensors of attention, by name. */
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
   * Returns one tensor.
   *
   * @throws IllegalArgumentException if there is none with that name
   */
  public double[] get(String name) {
    double[] values = tensors.get(name);
    if (values == null) {
      throw new IllegalArgumentException("no tensor " + name + "; there are " + tensors.keySet());
    }
    return values;
  }

  /** Writes all tensors, for {@link #read}. */
  public void write(DataOutput out) throws IOException {
    out.writeInt(tensors.size());
    for (Map.Entry<String, double[]> tensor : tensors.entrySet()) {
      out.writeUTF(tensor.getKey());
      out.writeInt(tensor.getValue().length);
      for (double value : tensor.getValue()) {
        out.writeDouble(value);
      }
    }
  }

  /** Reads what {@link #write} has written. */
  public static Results read(DataInput in) throws IOException {
    Results results = new Results();
    for (int left = in.readInt(); left > 0; left--) {
      String name = in.readUTF();
      double[] values = new double[in.readInt()];
      for (int i = 0; i < values.length; i++) {
        values[i] = in.readDouble();
      }
      results.put(name, values);
    }
    return results;
  }

  /** The error of every tensor of these results. */
  public Map<String, Double> errors(Results reference) {
    Map<String, Double> errors = new LinkedHashMap<>();
    tensors.forEach(
        (name, values) -> errors.put(name, RelativeError.of(values, reference.get(name))));
    return errors;
  }
}
