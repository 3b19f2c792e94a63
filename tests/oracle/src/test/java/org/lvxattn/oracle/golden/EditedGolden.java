// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.lvxattn.io.Safetensors;
import org.lvxattn.io.SafetensorsWriter;
import org.lvxattn.io.StoredTensor;
import org.lvxattn.io.StoredType;

/** A golden case read from a file, changed, and written as another. */
final class EditedGolden {
  private final Map<String, Part> parts = new LinkedHashMap<>();
  private String spec;

  private record Part(StoredType type, List<Long> shape, ByteBuffer data) {
    static Part of(StoredType type, long[] shape, ByteBuffer data) {
      return new Part(type, Arrays.stream(shape).boxed().toList(), data);
    }

    long[] extents() {
      return shape.stream().mapToLong(Long::longValue).toArray();
    }
  }

  EditedGolden(Path original) throws IOException {
    try (Safetensors file = Safetensors.open(original)) {
      spec = String.valueOf(file.metadata().get("spec"));
      for (StoredTensor tensor : file.tensors().values()) {
        ByteBuffer data = little(Math.toIntExact(tensor.data().byteSize()));
        data.put(0, tensor.data().asByteBuffer(), 0, data.capacity());
        parts.put(tensor.name(), Part.of(tensor.type(), tensor.shape(), data));
      }
    }
  }

  static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Replaces text of the spec; the text must be in it. */
  EditedGolden say(String text, String instead) {
    if (!spec.contains(text)) {
      throw new IllegalArgumentException("no " + text + " in " + spec);
    }
    spec = spec.replace(text, instead);
    return this;
  }

  /** A tensor's bytes, which may be modified. */
  ByteBuffer data(String name) {
    return Objects.requireNonNull(parts.get(name), name).data();
  }

  EditedGolden put(String name, StoredType type, ByteBuffer data, long... shape) {
    parts.put(name, Part.of(type, shape, data));
    return this;
  }

  EditedGolden remove(String name) {
    parts.remove(name);
    return this;
  }

  Path write(Path file) throws IOException {
    SafetensorsWriter.Builder builder = SafetensorsWriter.builder().metadata("spec", spec);
    parts.forEach((name, part) -> builder.tensor(name, part.type(), part.extents()));
    try (SafetensorsWriter writer = builder.open(file)) {
      for (Map.Entry<String, Part> part : parts.entrySet()) {
        writer.write(part.getKey(), MemorySegment.ofArray(part.getValue().data().array()));
      }
      writer.commit();
    }
    return file;
  }
}
