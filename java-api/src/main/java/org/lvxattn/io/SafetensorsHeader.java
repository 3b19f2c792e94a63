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
 * The header of a safetensors file. It is read by its own grammar, not as JSON in general: what the
 * format does not know has no way in, so a hostile file can neither nest deeply nor make large
 * things.
 */
final class SafetensorsHeader {
  static final String METADATA = "__metadata__";

  /** What the header says about one tensor; begin and end count from the start of the data. */
  static final class Entry {
    final String name;
    final StoredType type;
    final long[] shape;
    final long begin;
    final long end;
    final long position;

    Entry(String name, StoredType type, long[] shape, long begin, long end, long position) {
      this.name = name;
      this.type = type;
      this.shape = shape;
      this.begin = begin;
      this.end = end;
      this.position = position;
    }

    @Override
    public String toString() {
      return "\"" + name + "\" " + type + Arrays.toString(shape) + " [" + begin + ", " + end + ")";
    }
  }

  private final Path file;
  private final JsonScanner scanner;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private @Nullable Map<String, String> metadata;

  SafetensorsHeader(Path file, MemorySegment text) throws SafetensorsException {
    this.file = file;
    // The format allows spaces after the header, as padding, but not before it.
    if (text.byteSize() == 0 || text.get(ValueLayout.JAVA_BYTE, 0) != '{') {
      throw new SafetensorsException(file, Long.BYTES, "expected the header to begin with '{'");
    }
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
    StoredType type = null;
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
        case "dtype" -> type = readType(name);
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

  private StoredType readType(String name) throws SafetensorsException {
    long at = scanner.position();
    String text = scanner.string();
    for (StoredType type : StoredType.values()) {
      if (type.name().equals(text)) {
        return type;
      }
    }
    throw new SafetensorsException(
        file,
        at,
        "tensor \""
            + name
            + "\" has dtype \""
            + text
            + "\"; expected one of "
            + Arrays.toString(StoredType.values()));
  }

  private Entry checked(String name, StoredType type, long[] shape, long[] offsets, long position)
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
    long bytes = type.bytes();
    boolean empty = false;
    for (long dimension : shape) {
      empty |= dimension == 0;
    }
    try {
      for (long dimension : shape) {
        bytes = Math.multiplyExact(bytes, dimension);
      }
    } catch (ArithmeticException e) {
      bytes = empty ? 0 : -1;
    }
    if (bytes != offsets[1] - offsets[0]) {
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
              + (offsets[1] - offsets[0])
              + " bytes by its data_offsets; expected "
              + (bytes < 0 ? "more than 2^63" : bytes));
    }
    return new Entry(name, type, shape, offsets[0], offsets[1], position);
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
