// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.io.Safetensors;
import org.lvxattn.io.StoredTensor;
import org.lvxattn.model.Parameters;
import org.lvxattn.oracle.Results;

/**
 * A golden case of a whole layer: inputs {@code in.*}, {@code w.*} and {@code dout}, and results
 * {@code out}, {@code grad.*} and {@code mid.*}.
 */
final class LayerFile {
  private static final String WEIGHT = "w.";

  private final GoldenSpec spec;
  private final Map<String, float[]> numbers = new LinkedHashMap<>();
  private final Map<String, int[]> integers = new LinkedHashMap<>();
  private final Map<String, long[]> shapes = new LinkedHashMap<>();
  private final Results expected = new Results();

  private LayerFile(Safetensors file, GoldenSpec spec) {
    this.spec = spec;
    for (StoredTensor tensor : file.tensors().values()) {
      String name = tensor.name();
      shapes.put(name, tensor.shape());
      if (name.equals("out") || name.startsWith("grad.") || name.startsWith("mid.")) {
        expected.put(name, StoredNumbers.doubles(tensor));
      } else if (name.equals("dout") || name.startsWith("in.") || name.startsWith(WEIGHT)) {
        switch (tensor.type()) {
          case U8, BOOL, I32 -> integers.put(name, StoredNumbers.ints(tensor));
          default -> numbers.put(name, StoredNumbers.floats(tensor));
        }
      } else {
        throw new GoldenException("tensor " + tensor + " is of no kind that is known here");
      }
    }
  }

  /** Reads a case whose spec was already read. */
  static LayerFile read(Path path, GoldenSpec spec) throws IOException {
    try (Safetensors file = Safetensors.open(path)) {
      return new LayerFile(file, spec);
    } catch (IllegalArgumentException e) {
      throw new GoldenException(String.valueOf(e.getMessage()));
    }
  }

  GoldenSpec spec() {
    return spec;
  }

  /** The expected results by name, in the order of the file. */
  Results expected() {
    return expected;
  }

  boolean has(String name) {
    return shapes.containsKey(name);
  }

  /** The extents of a tensor, which must have the given number of dimensions. */
  int[] shape(String name, int rank) {
    long[] shape = shapes.get(name);
    if (shape == null || shape.length != rank) {
      throw new GoldenException(
          name
              + (shape == null ? " is not there" : " has shape " + Arrays.toString(shape))
              + ", expected "
              + rank
              + " dimensions");
    }
    return Arrays.stream(shape).mapToInt(Math::toIntExact).toArray();
  }

  /** Checks the extents of a tensor. */
  void requireShape(String name, int... expectedShape) {
    int[] shape = shape(name, expectedShape.length);
    if (!Arrays.equals(shape, expectedShape)) {
      throw new GoldenException(
          name
              + " has shape "
              + Arrays.toString(shape)
              + ", expected "
              + Arrays.toString(expectedShape));
    }
  }

  float[] floats(String name) {
    float[] values = numbers.get(name);
    if (values == null) {
      throw new GoldenException("the file has no floating-point tensor " + name);
    }
    return values;
  }

  int[] ints(String name) {
    int[] values = integers.get(name);
    if (values == null) {
      throw new GoldenException("the file has no integer tensor " + name);
    }
    return values;
  }

  /** The names of the parameters, and their shapes. */
  SequencedMap<String, long[]> weightShapes() {
    SequencedMap<String, long[]> weights = new LinkedHashMap<>();
    shapes.forEach(
        (name, shape) -> {
          if (name.startsWith(WEIGHT)) {
            weights.put(name.substring(WEIGHT.length()), shape);
          }
        });
    return weights;
  }

  /** Checks that the file has exactly the inputs and parameters of a layer. */
  void requireKnown(Set<String> inputs, Map<String, long[]> weights) {
    Map<String, long[]> found = weightShapes();
    for (String name : shapes.keySet()) {
      if (name.startsWith("in.") && !inputs.contains(name)) {
        throw new GoldenException("the file has an input " + name + ", expected " + inputs);
      }
    }
    if (!found.keySet().equals(weights.keySet())) {
      throw new GoldenException(
          "the file has parameters " + found.keySet() + ", expected " + weights.keySet());
    }
    weights.forEach(
        (name, shape) ->
            requireShape(WEIGHT + name, Arrays.stream(shape).mapToInt(Math::toIntExact).toArray()));
  }

  /** The parameters on a device; the caller closes them. */
  Parameters parameters(Device device, DType dtype) {
    Parameters parameters = Parameters.allocate(device, dtype, weightShapes());
    parameters.tensors().forEach((name, tensor) -> tensor.copyFrom(floats(WEIGHT + name)));
    return parameters;
  }
}
