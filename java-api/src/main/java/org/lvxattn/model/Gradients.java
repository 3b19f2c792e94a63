// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.group.Operation;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.layer.LayerOperations;

/**
 * Gradients of parameters, by the parameters' names, in float32 (float64 for float64). Layers
 * accumulate into them. They are slices of one tensor, so that one all-reduce sums all of them over
 * the ranks.
 */
public final class Gradients implements AutoCloseable {
  /** Each gradient begins at a multiple of 64 bytes, as allocated tensors do. */
  private static final int ALIGNMENT = 16;

  private final Tensor all;
  private final SequencedMap<String, Tensor> parts;
  private final boolean owner;

  private Gradients(Tensor all, SequencedMap<String, Tensor> parts, boolean owner) {
    this.all = all;
    this.parts = parts;
    this.owner = owner;
  }

  /**
   * Allocates gradients that are 0.
   *
   * @param device where to allocate
   * @param dtype of the parameters
   * @param shapes by name, from layers or {@link Parameters#shapes}
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
   */
  public static Gradients zeros(Device device, DType dtype, Map<String, long[]> shapes) {
    long total = 0;
    for (long[] shape : shapes.values()) {
      total += padded(shape);
    }
    Tensor all = Tensor.allocate(device, dtype.accumulator(), total);
    SequencedMap<String, Tensor> parts = new LinkedHashMap<>();
    long begin = 0;
    for (Map.Entry<String, long[]> entry : shapes.entrySet()) {
      long[] shape = entry.getValue();
      parts.put(
          entry.getKey(), all.slice(0, begin, begin + elements(shape)).reshape(shape.clone()));
      begin += padded(shape);
    }
    return new Gradients(all, parts, true);
  }

  /** All gradients by name, as an unmodifiable map. */
  public Map<String, Tensor> tensors() {
    return Collections.unmodifiableMap(parts);
  }

  /**
   * Returns one gradient.
   *
   * @throws IllegalArgumentException if there is none with that name
   */
  public Tensor get(String name) {
    Tensor gradient = parts.get(name);
    if (gradient == null) {
      throw new IllegalArgumentException(
          "there is no gradient \"" + name + "\"; there are " + parts.keySet());
    }
    return gradient;
  }

  /**
   * The gradients whose names begin with a prefix, under names without it. They stay parts of this
   * object, which is closed, cleared and summed as a whole.
   */
  public Gradients under(String prefix) {
    SequencedMap<String, Tensor> some = new LinkedHashMap<>();
    parts.forEach(
        (name, gradient) -> {
          if (name.startsWith(prefix)) {
            some.put(name.substring(prefix.length()), gradient);
          }
        });
    return new Gradients(all, some, false);
  }

  /**
   * Replaces every gradient by its sum over the ranks; all ranks get the same bits. A collective
   * call.
   *
   * @throws IllegalStateException if these are a part of other gradients, or the group or these
   *     were closed
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public void allReduce(Group group) {
    try {
      requireOwner();
    } catch (IllegalStateException e) {
      group.decline(Operation.ALL_REDUCE, e);
      throw e;
    }
    group.allReduce(all);
  }

  /**
   * Sets every gradient to 0.
   *
   * @throws IllegalStateException if these are a part of other gradients, or were closed
   */
  public void clear() {
    requireOwner();
    try (Tensor dead = Tensor.allocate(all.device(), DType.INT32, 1, 1)) {
      LayerOperations.clearRows(dead, all.reshape(1, 1, all.elements()));
    }
  }

  /**
   * Frees all gradients; does nothing if these are a part of others. Closing again does nothing.
   *
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    if (owner) {
      all.close();
    }
  }

  /** Checks that there is a gradient of the right shape for every parameter of a layer. */
  void require(Map<String, long[]> shapes) {
    shapes.forEach(
        (name, shape) -> {
          Tensor gradient = get(name);
          Preconditions.require(
              Arrays.equals(gradient.shape(), shape),
              "gradient \""
                  + name
                  + "\" is "
                  + gradient
                  + "; "
                  + Arrays.toString(shape)
                  + " was expected");
        });
  }

  private void requireOwner() {
    if (!owner) {
      throw new IllegalStateException("gradients: these are a part; the whole was expected");
    }
  }

  private static long elements(long[] shape) {
    long elements = 1;
    for (long extent : shape) {
      elements = Math.multiplyExact(elements, extent);
    }
    return elements;
  }

  private static long padded(long[] shape) {
    return Math.ceilDiv(elements(shape), ALIGNMENT) * ALIGNMENT;
  }
}
