// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Errors for a folder that is passed as a file. */
final class Folders {
  private static final int MOST = 5;

  private Folders() {}

  /**
   * Checks that a path is not a folder.
   *
   * @throws FileSystemException that lists safetensors files in the folder, if it is one
   */
  static void refuse(Path file) throws IOException {
    if (Files.isDirectory(file)) {
      throw new FileSystemException(
          file.toString(),
          null,
          "a folder, expected a file; StoredTensors.open opens a folder that holds"
              + " model.safetensors.index.json or model.safetensors; "
              + filesOf(file));
    }
  }

  /** The files of a folder that the caller may have meant. */
  static String filesOf(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      List<String> names =
          files
              .map(file -> String.valueOf(file.getFileName()))
              .filter(name -> name.endsWith(".safetensors") || name.endsWith(".index.json"))
              .sorted()
              .limit(MOST + 1L)
              .toList();
      return names.isEmpty()
          ? "it holds no *.safetensors"
          : "it holds "
              + String.join(", ", names.subList(0, Math.min(MOST, names.size())))
              + (names.size() > MOST ? ", ..." : "");
    }
  }
}
