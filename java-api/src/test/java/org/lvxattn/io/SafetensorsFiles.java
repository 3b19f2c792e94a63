// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Files for the tests of {@link Safetensors}: hand-made ones, and the golden data where present.
 */
final class SafetensorsFiles {
  private SafetensorsFiles() {}

  /** A file of the given header text, followed by that many data bytes 0, 1, 2, ... */
  static byte[] file(String header, int dataBytes) {
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer file =
        ByteBuffer.allocate(Long.BYTES + text.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
    file.putLong(text.length).put(text);
    for (int i = 0; i < dataBytes; i++) {
      file.put((byte) i);
    }
    return file.array();
  }

  /** The golden files of the repository, or of the folder beside it; empty where there are none. */
  static List<Path> goldens() throws IOException {
    for (Path folder = Path.of("").toAbsolutePath(); folder != null; folder = folder.getParent()) {
      for (String name : List.of("tests/src/test/resources/goldens", "shared/goldens")) {
        Path goldens = folder.resolve(name);
        if (Files.isDirectory(goldens)) {
          try (Stream<Path> files = Files.list(goldens)) {
            return files.filter(f -> f.toString().endsWith(".safetensors")).sorted().toList();
          }
        }
      }
    }
    return List.of();
  }
}
