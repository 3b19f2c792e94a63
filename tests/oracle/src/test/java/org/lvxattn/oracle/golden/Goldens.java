// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;

/** Finds golden cases: the subset in the repository, and the whole set if available. */
final class Goldens {
  private Goldens() {}

  /** Folders with golden cases; the test is skipped if there are none. */
  static List<Path> folders() {
    List<Path> folders = new ArrayList<>();
    for (Path up = Path.of("").toAbsolutePath(); up != null; up = up.getParent()) {
      for (String name : List.of("tests/src/test/resources/goldens", "shared/goldens")) {
        if (Files.isDirectory(up.resolve(name))) {
          folders.add(up.resolve(name));
        }
      }
    }
    Assumptions.assumeFalse(folders.isEmpty(), "no golden cases at hand");
    return folders;
  }

  /** One case; the test is skipped if it is not there. */
  static Path file(String name) {
    for (Path folder : folders()) {
      Path file = folder.resolve(name + ".safetensors");
      if (Files.isRegularFile(file)) {
        return file;
      }
    }
    return Assumptions.abort(name + " is not at hand");
  }
}
