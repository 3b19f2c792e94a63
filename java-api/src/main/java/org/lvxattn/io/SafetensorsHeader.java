// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The header of a safetensors file. The parser accepts only the constructs of this format, not JSON
 * in general, so a hostile file can neither nest deeply nor cause large allocations.
 */
final class SafetensorsHeader {
  static final String METADATA = "__metadata__";

  /** What the header says about one tensor; begin and end count from the start of the data. */
  static final class Entry {
    final String name;
    final StoredType type;
    final String typeName;
    final long[] shape;
    final long elements;
    final long begin;
    final long end;
    final long position;

    Entry(
        String name,
        String typeName,
        long[] shape,
        long elements,
        long begin,
        long end,
        long position) {
      this.name = name;
      this.type = typeOf(typeName);
      this.typeName = typeName;
      this.shape = shape;
      this.elements = elements;
      this.begin = begin;
      this.end = end;
      this.position = position;
    }

    @Override
    public String toString() {
      return "\""
          + name
          + "\" "
          + typeName
          + Arrays.toString(shape)
          + " ["
          + begin
          + ", "
          + end
          + ")";
    }
  }

  private final Path file;
  private final JsonScanner scanner;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private @Nullable Map<String, String> metadata; // empty where the file has null

  SafetensorsHeader(Path file, MemorySegment text) throws SafetensorsException {
    this.file = file;
    this.scanner = new JsonScanner(file, Long.BYTES, text.toArray(ValueLayout.JAVA_BYTE));
    scanner.expect('{');
    for (boolean more = !scanner.accept('}'); more; more = scanner.another('}')) {
      readMember();
    }
    scanner.expectEnd();
  }

  List<Entry> entries() {
    return List.copyOf(entries.values());
  }

  Map<String, String> metadata() {
    return metadata == null ? Map.of() : Collections.unmodifiableMap(metadata);
  }

  private void readMember() throws SafetensorsException {
    long position = scanner.position();
    String name = scanner.string();
    scanner.expect(':');
    if (name.equals(METADATA)) {
      if (metadata != null) {
        throw new SafetensorsException(file, position, "a second \"" + METADATA + "\"");
      }
      metadata = readMetadata();
    } else if (entries.put(name, readEntry(name, position)) != null) {
      throw new SafetensorsException(file, position, "a second tensor named \"" + name + "\"");
    }
  }

  private Map<String, String> readMetadata() throws SafetensorsException {
    Map<String, String> pairs = new LinkedHashMap<>();
    if (scanner.acceptNull()) {
      return pairs;
    }
    scanner.expect('{');
    for (boolean more = !scanner.accept('}'); more; more = scanner.another('}')) {
      long position = scanner.position();
      String key = scanner.string();
      scanner.expect(':');
      if (pairs.put(key, scanner.string()) != null) {
        throw new SafetensorsException(file, position, "a second metadata key \"" + key + "\"");
      }
    }
    return pairs;
  }

  private Entry readEntry(String name, long position) throws SafetensorsException {
    String type = null;
    long[] shape = null;
    long[] offsets = null;
    scanner.expect('{');
    boolean more = true;
    while (more) {
      long at = scanner.position();
      String key = scanner.string();
      scanner.expect(':');
      boolean repeated =
          switch (key) {
            case "dtype" -> type != null;
            case "shape" -> shape != null;
            case "data_offsets" -> offsets != null;
            default ->
                throw new SafetensorsException(
                    file,
                    at,
                    "tensor \""
                        + name
                        + "\" has a member \""
                        + key
                        + "\"; expected dtype, shape and data_offsets");
          };
      if (repeated) {
        throw new SafetensorsException(
            file, at, "tensor \"" + name + "\" has a second member \"" + key + "\"");
      }
      switch (key) {
        case "dtype" -> type = scanner.string();
        case "shape" -> shape = scanner.integers();
        default -> offsets = scanner.integers();
      }
      more = scanner.another('}');
    }
    if (type == null || shape == null || offsets == null) {
      throw new SafetensorsException(
          file, position, "tensor \"" + name + "\" lacks one of dtype, shape and data_offsets");
    }
    return checked(name, type, shape, offsets, position);
  }

  /** An unknown type affects its tensor only. */
  private static StoredType typeOf(String text) {
    for (StoredType type : StoredType.values()) {
      if (type.name().equals(text)) {
        return type;
      }
    }
    return StoredType.UNKNOWN;
  }

  private Entry checked(String name, String type, long[] shape, long[] offsets, long position)
      throws SafetensorsException {
    if (offsets.length != 2 || offsets[0] > offsets[1]) {
      throw new SafetensorsException(
          file,
          position,
          "tensor \""
              + name
              + "\" has data_offsets "
              + Arrays.toString(offsets)
              + "; expected a begin and an end not before it");
    }
    long bytes = offsets[1] - offsets[0];
    long elements = 0;
    String expected = null;
    try {
      elements = elementsOf(shape);
      StoredType known = typeOf(type);
      if (!known.fillsBytes(elements)) {
        expected = "elements that fill whole bytes";
      } else if (known != StoredType.UNKNOWN && known.bytesOf(elements) != bytes) {
        expected = String.valueOf(known.bytesOf(elements));
      }
    } catch (ArithmeticException e) {
      expected = "more than 2^63";
    }
    if (expected != null) {
      throw new SafetensorsException(
          file,
          position,
          "tensor \""
              + name
              + "\" of dtype "
              + type
              + " and shape "
              + Arrays.toString(shape)
              + " has "
              + bytes
              + " bytes by its data_offsets; expected "
              + expected);
    }
    return new Entry(name, type, shape, elements, offsets[0], offsets[1], position);
  }

  private static long elementsOf(long[] shape) {
    for (long dimension : shape) {
      if (dimension == 0) {
        return 0;
      }
    }
    return Arrays.stream(shape).reduce(1, Math::multiplyExact);
  }

  /**
   * Checks that the tensors cover the file's data without gap or overlap, and nothing beyond it.
   */
  void checkTiling(long dataStart, long dataBytes) throws SafetensorsException {
    List<Entry> sorted = new ArrayList<>(entries.values());
    sorted.sort(Comparator.<Entry>comparingLong(e -> e.begin).thenComparingLong(e -> e.end));
    long covered = 0;
    for (Entry entry : sorted) {
      if (entry.end > dataBytes) {
        throw new SafetensorsException(
            file,
            entry.position,
            "tensor " + entry + " ends outside the data; the file holds " + dataBytes + " bytes");
      }
      if (entry.begin != covered) {
        throw new SafetensorsException(
            file,
            entry.position,
            "tensor "
                + entry
                + (entry.begin < covered ? " overlaps another" : " leaves a gap before it")
                + "; expected it to begin at "
                + covered);
      }
      covered = entry.end;
    }
    if (covered != dataBytes) {
      throw new SafetensorsException(
          file,
          dataStart + covered,
          (dataBytes - covered) + " bytes follow that belong to no tensor");
    }
  }
}
