// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;

/**
 * The parameters of layers, by the names that checkpoints give them. All lie on one device; linear
 * weights are {@code [out, in]}.
 */
public final class Parameters implements AutoCloseable {
  private final SequencedMap<String, Tensor> tensors;
  private final List<Tensor> owned;

  private Parameters(SequencedMap<String, Tensor> tensors, List<Tensor> owned) {
    this.tensors = tensors;
    this.owned = owned;
  }

  /**
   * Tensors of the caller, which stay his.
   *
   * @throws NullPointerException if a name or tensor is null
   */
  public static Parameters of(Map<String, Tensor> tensors) {
    SequencedMap<String, Tensor> copy = new LinkedHashMap<>();
    tensors.forEach(
        (name, tensor) -> copy.put(Checks.present(name, "name"), Checks.present(tensor, name)));
    return new Parameters(copy, List.of());
  }

  /**
   * New parameters, all 0.
   *
   * @param device where
   * @param dtype of all
   * @param shapes by name, as layers tell them
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
   */
  public static Parameters allocate(Device device, DType dtype, Map<String, long[]> shapes) {
    Scope made = new Scope(device);
    try {
      SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
      shapes.forEach((name, shape) -> tensors.put(name, made.allocate(dtype, shape)));
      return new Parameters(tensors, new ArrayList<>(tensors.values()));
    } catch (RuntimeException e) {
      made.closeAfter(e);
      throw e;
    }
  }

  /** The names, in the order in which they were given. */
  public List<String> names() {
    return List.copyOf(tensors.keySet());
  }

  /** All of them, by name; cannot be changed. */
  public Map<String, Tensor> tensors() {
    return Collections.unmodifiableMap(tensors);
  }

  /**
   * One parameter.
   *
   * @throws IllegalArgumentException if there is none of that name
   */
  public Tensor get(String name) {
    Tensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException(
          "there is no parameter \"" + name + "\"; there are " + tensors.keySet());
    }
    return tensor;
  }

  /**
   * Those whose names begin with a prefix, which is cut off: the parameters of one layer among
   * those of a model. They stay this object's; closing the result does nothing.
   *
   * @param prefix for instance {@code "language_model.model.layers.3."}
   */
  public Parameters under(String prefix) {
    SequencedMap<String, Tensor> part = new LinkedHashMap<>();
    tensors.forEach(
        (name, tensor) -> {
          if (name.startsWith(prefix)) {
            part.put(name.substring(prefix.length()), tensor);
          }
        });
    return new Parameters(part, List.of());
  }

  /** The shapes by name, for {@link Gradients#zeros}. */
  public SequencedMap<String, long[]> shapes() {
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    tensors.forEach((name, tensor) -> shapes.put(name, tensor.shape()));
    return shapes;
  }

  /** Checks that all that a layer needs is there, in the right shapes. */
  void require(Map<String, long[]> shapes) {
    shapes.forEach(
        (name, shape) -> {
          Tensor tensor = get(name);
          Checks.require(
              Arrays.equals(tensor.shape(), shape) && tensor.dtype().isFloating(),
              "parameter \""
                  + name
                  + "\" is "
                  + tensor
                  + "; floating-point "
                  + Arrays.toString(shape)
                  + " was expected");
        });
  }

  /**
   * Closes what {@link #allocate} made.
   *
   * @throws IllegalStateException if that was done already
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    owned.forEach(Tensor::close);
  }
}
