// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The index of a sharded checkpoint: which file holds each tensor. */
final class SafetensorsIndex {
  private static final String WEIGHT_MAP = "weight_map";
  private static final int FIRST_BYTES = 64;

  /**
   * One tensor's entry.
   *
   * @param file name of the file, in the index's folder
   * @param position offset of the entry in the index
   */
  record Entry(String file, long position) {}

  private final Path path;
  private final JsonScanner scanner;
  private final Map<String, Entry> entries;

  SafetensorsIndex(Path path) throws IOException {
    this.path = path;
    Folders.refuse(path);
    long bytes = Files.size(path);
    if (bytes > Safetensors.MAX_HEADER_BYTES) {
      throw new SafetensorsException(
          path,
          0,
          "an index of " + bytes + " bytes; expected at most " + Safetensors.MAX_HEADER_BYTES);
    }
    byte[] text = Files.readAllBytes(path);
    String seems = isJson(text) ? null : Lookalike.of(MemorySegment.ofArray(text));
    if (seems != null) {
      throw new SafetensorsException(path, 0, "this seems to be " + seems);
    }
    scanner = new JsonScanner(path, 0, text);
    Map<String, Entry> weightMap = null;
    scanner.expect('{');
    for (boolean more = !scanner.accept('}'); more; more = scanner.another('}')) {
      long position = scanner.position();
      String member = scanner.string();
      scanner.expect(':');
      if (member.equals(WEIGHT_MAP)) {
        weightMap = readWeightMap(position, weightMap);
      } else {
        scanner.skipValue(); // metadata such as sizes, which the files have, too
      }
    }
    scanner.expectEnd();
    if (weightMap == null) {
      throw new SafetensorsException(path, 0, "expected a member \"" + WEIGHT_MAP + "\"");
    }
    entries = weightMap;
  }

  private static boolean isJson(byte[] text) {
    return new String(text, 0, Math.min(text.length, FIRST_BYTES), StandardCharsets.ISO_8859_1)
        .stripLeading()
        .startsWith("{");
  }

  /** The entries by tensor name, in the order of the index. */
  Map<String, Entry> entries() {
    return entries;
  }

  private Map<String, Entry> readWeightMap(long at, @Nullable Map<String, Entry> earlier)
      throws SafetensorsException {
    if (earlier != null) {
      throw new SafetensorsException(path, at, "a second \"" + WEIGHT_MAP + "\"");
    }
    Map<String, Entry> map = new LinkedHashMap<>();
    scanner.expect('{');
    for (boolean more = !scanner.accept('}'); more; more = scanner.another('}')) {
      long position = scanner.position();
      String tensor = scanner.string();
      scanner.expect(':');
      String file = scanner.string();
      requirePlainName(file, position);
      if (map.put(tensor, new Entry(file, position)) != null) {
        throw new SafetensorsException(path, position, "a second tensor named \"" + tensor + "\"");
      }
    }
    return map;
  }

  /** An untrusted index must not name files outside its folder. */
  private void requirePlainName(String file, long position) throws SafetensorsException {
    boolean plain =
        !file.isEmpty()
            && !file.equals(".")
            && !file.equals("..")
            && file.indexOf('/') < 0
            && file.indexOf('\0') < 0;
    if (!plain) {
      throw new SafetensorsException(
          path, position, "file \"" + file + "\"; expected the name of a file beside the index");
    }
  }
}
