// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;

/**
 * Named tensors in one file or in several, such as a checkpoint's weights. Closing it makes every
 * view of its tensors unusable.
 */
public sealed interface StoredTensors extends AutoCloseable
    permits Safetensors, ShardedSafetensors {
  /**
   * Opens a safetensors file, the index of a sharded checkpoint (a name that ends in {@code
   * .json}), or a folder that holds {@code model.safetensors.index.json} or {@code
   * model.safetensors}.
   *
   * @throws SafetensorsException if a file is not well-formed
   * @throws IOException if there is no such file, or it cannot be read
   */
  static StoredTensors open(Path path) throws IOException {
    if (Files.isDirectory(path)) {
      Path index = path.resolve("model.safetensors.index.json");
      Path single = path.resolve("model.safetensors");
      if (Files.exists(index)) {
        return ShardedSafetensors.open(index);
      }
      if (!Files.exists(single)) {
        throw new NoSuchFileException(
            path.toString(),
            null,
            "expected model.safetensors.index.json or model.safetensors in this folder; "
                + Folders.filesOf(path));
      }
      return Safetensors.open(single);
    }
    return path.toString().endsWith(".json")
        ? ShardedSafetensors.open(path)
        : Safetensors.open(path);
  }

  /** All tensors by name, in the order of the header or index. */
  Map<String, StoredTensor> tensors();

  /**
   * Returns one tensor.
   *
   * @throws IllegalArgumentException if there is none with that name
   */
  StoredTensor tensor(String name);

  /**
   * Unmaps all files. Closing it again does nothing.
   *
   * @throws IllegalStateException if a native call is using one of its tensors
   */
  @Override
  void close();
}
