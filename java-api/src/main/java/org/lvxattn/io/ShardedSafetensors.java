// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A checkpoint in several safetensors files, described by an index ({@code
 * model.safetensors.index.json}). The index lists the tensors and the file of each; a tensor that
 * its file does not hold is an error. Opening maps and checks all files.
 */
public final class ShardedSafetensors implements StoredTensors {
  private final Path index;
  private final Map<String, Safetensors> files;
  private final Map<String, StoredTensor> tensors;

  private ShardedSafetensors(
      Path index, Map<String, Safetensors> files, Map<String, StoredTensor> tensors) {
    this.index = index;
    this.files = files;
    this.tensors = tensors;
  }

  /**
   * Opens all files that an index names; they are in the index's folder.
   *
   * @throws SafetensorsException if the index or one of the files is not well-formed, or they
   *     disagree
   * @throws IOException if a file cannot be read
   */
  public static ShardedSafetensors open(Path index) throws IOException {
    Map<String, Safetensors> files = new LinkedHashMap<>();
    try {
      Map<String, StoredTensor> tensors = new LinkedHashMap<>();
      for (var entry : new SafetensorsIndex(index).entries().entrySet()) {
        String name = entry.getKey();
        Safetensors file = file(index, entry.getValue(), files);
        StoredTensor tensor = file.tensors().get(name);
        if (tensor == null) {
          throw new SafetensorsException(
              index,
              entry.getValue().position(),
              "expected tensor \""
                  + name
                  + "\" in "
                  + file.file()
                  + ", which has none; "
                  + NearestNames.describe(name, file.tensors().keySet()));
        }
        tensors.put(name, tensor);
      }
      return new ShardedSafetensors(index, files, Collections.unmodifiableMap(tensors));
    } catch (IOException | RuntimeException | Error e) {
      files.values().forEach(Safetensors::close);
      throw e;
    }
  }

  private static Safetensors file(
      Path index, SafetensorsIndex.Entry entry, Map<String, Safetensors> files) throws IOException {
    Safetensors open = files.get(entry.file());
    if (open != null) {
      return open;
    }
    try {
      Safetensors file = Safetensors.open(index.resolveSibling(entry.file()));
      files.put(entry.file(), file);
      return file;
    } catch (NoSuchFileException e) {
      SafetensorsException missing =
          new SafetensorsException(
              index, entry.position(), "expected a file " + e.getFile() + "; there is none");
      missing.initCause(e);
      throw missing;
    }
  }

  /** The open files, in the order of their first mention in the index. */
  public List<Safetensors> files() {
    return List.copyOf(files.values());
  }

  @Override
  public Map<String, StoredTensor> tensors() {
    return tensors;
  }

  @Override
  public StoredTensor tensor(String name) {
    StoredTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException(
          index
              + " names no tensor \""
              + name
              + "\"; "
              + NearestNames.describe(name, tensors.keySet()));
    }
    return tensor;
  }

  @Override
  public void close() {
    IllegalStateException inUse = null;
    for (Safetensors file : files.values()) {
      try {
        file.close();
      } catch (IllegalStateException e) {
        inUse = e;
      }
    }
    if (inUse != null) {
      throw inUse;
    }
  }
}
