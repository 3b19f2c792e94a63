// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.model.Parameters;

/**
 * One read-only copy of random weights for all ranks of this process; with GPUs, one on each GPU.
 */
final class SharedWeights implements AutoCloseable {
  private static final long ALIGNMENT = 64;

  private final Arena arena = Arena.ofShared();
  private final DType dtype;
  private final SequencedMap<String, long[]> shapes;
  private final Map<String, MemorySegment> memory = new LinkedHashMap<>();

  SharedWeights(LayerSizes sizes, DType dtype, long seed) {
    this.dtype = dtype;
    this.shapes = LayerStack.parameterShapes(sizes);
    try (Device device = Device.cpu();
        TensorScope open = new TensorScope(device)) {
      shapes.forEach(
          (name, shape) -> {
            long elements = 1;
            for (long extent : shape) {
              elements *= extent;
            }
            memory.put(name, arena.allocate(elements * dtype.bytes(), ALIGNMENT));
          });
      Initial.fill(on(open), seed);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /** The weights as tensors, which are closed with the scope. */
  Parameters on(TensorScope open) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    shapes.forEach(
        (name, shape) -> {
          MemorySegment segment = Objects.requireNonNull(memory.get(name));
          Tensor tensor =
              open.device().kind() == Device.Kind.CPU
                  ? open.add(Tensor.wrap(open.device(), segment, dtype, shape, null))
                  : open.allocate(dtype, shape).copyFrom(segment, dtype);
          tensors.put(name, tensor);
        });
    return Parameters.of(tensors);
  }

  SequencedMap<String, long[]> shapes() {
    return shapes;
  }

  @Override
  public void close() {
    arena.close();
  }
}
