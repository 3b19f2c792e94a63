// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Function;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.io.StoredTensor;
import org.lvxattn.io.StoredTensors;

/**
 * The parameters of layers, by their names in checkpoints. All are on one device; linear weights
 * are {@code [out, in]}.
 */
public final class Parameters implements AutoCloseable {
  private final SequencedMap<String, Tensor> tensors;
  private final List<Tensor> owned;

  private Parameters(SequencedMap<String, Tensor> tensors, List<Tensor> owned) {
    this.tensors = tensors;
    this.owned = owned;
  }

  /**
   * Wraps the caller's tensors; close does not close them.
   *
   * @throws NullPointerException if a name or tensor is null
   */
  public static Parameters of(Map<String, Tensor> tensors) {
    SequencedMap<String, Tensor> copy = new LinkedHashMap<>();
    tensors.forEach(
        (name, tensor) ->
            copy.put(Preconditions.present(name, "name"), Preconditions.present(tensor, name)));
    return new Parameters(copy, List.of());
  }

  /**
   * Allocates parameters that are 0.
   *
   * @param device where to allocate
   * @param dtype of all parameters
   * @param shapes of a layer's parameters, by name
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
   */
  public static Parameters allocate(Device device, DType dtype, Map<String, long[]> shapes) {
    TensorScope made = new TensorScope(device);
    try {
      SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
      shapes.forEach((name, shape) -> tensors.put(name, made.allocate(dtype, shape)));
      return new Parameters(tensors, new ArrayList<>(tensors.values()));
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, made);
      throw e;
    }
  }

  /**
   * Copies parameters of a checkpoint to a device.
   *
   * @param device where to allocate
   * @param dtype of the copies; other dtypes are converted
   * @param checkpoint safetensors, in one file or several
   * @param prefix of the names in the checkpoint, for instance {@code
   *     "language_model.model.layers.3."}
   * @param shapes of a layer's parameters, by name without the prefix
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if the checkpoint lacks a parameter or has it in another shape
   * @throws IllegalStateException if the checkpoint or the device was closed
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
   */
  public static Parameters load(
      Device device,
      DType dtype,
      StoredTensors checkpoint,
      String prefix,
      Map<String, long[]> shapes) {
    return read(checkpoint, prefix, shapes, stored -> stored.load(device, dtype));
  }

  /**
   * Wraps a checkpoint's parameters in mapped memory of the file: nothing is copied. They are
   * read-only, and usable until the checkpoint is closed.
   *
   * @param device a device that computes with host memory
   * @param checkpoint safetensors, in one file or several
   * @param prefix of the names in the checkpoint
   * @param shapes of a layer's parameters, by name without the prefix
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if the checkpoint lacks a parameter, has it in another shape,
   *     or stores it unaligned
   * @throws IllegalStateException if the checkpoint or the device was closed
   */
  public static Parameters wrap(
      Device device, StoredTensors checkpoint, String prefix, Map<String, long[]> shapes) {
    return read(checkpoint, prefix, shapes, stored -> stored.wrap(device));
  }

  private static Parameters read(
      StoredTensors checkpoint,
      String prefix,
      Map<String, long[]> shapes,
      Function<StoredTensor, Tensor> reader) {
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    try {
      shapes.forEach(
          (name, shape) -> {
            StoredTensor stored = checkpoint.tensor(prefix + name);
            Preconditions.require(
                Arrays.equals(stored.shape(), shape),
                "the checkpoint has " + stored + "; " + Arrays.toString(shape) + " was expected");
            tensors.put(name, reader.apply(stored));
          });
      return new Parameters(tensors, new ArrayList<>(tensors.values()));
    } catch (RuntimeException e) {
      tensors.values().forEach(Tensor::close);
      throw e;
    }
  }

  /** The names, in the order of the shapes. */
  public List<String> names() {
    return List.copyOf(tensors.keySet());
  }

  /** All parameters by name, as an unmodifiable map. */
  public Map<String, Tensor> tensors() {
    return Collections.unmodifiableMap(tensors);
  }

  /**
   * Returns one parameter.
   *
   * @throws IllegalArgumentException if there is none with that name
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
   * The parameters whose names begin with a prefix, under names without it: for instance one layer
   * of a model. This object keeps ownership; closing the result does nothing.
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

  /** Checks that every parameter of a layer is present, in the right shape. */
  void require(Map<String, long[]> shapes) {
    shapes.forEach(
        (name, shape) -> {
          Tensor tensor = get(name);
          Preconditions.require(
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
   * Closes the tensors that {@link #allocate}, {@link #load} or {@link #wrap} created. Closing
   * again does nothing.
   *
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    owned.forEach(Tensor::close);
  }
}
