// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.lvxattn.Tensor;

/**
 * Writes a safetensors file one tensor at a time, so that not all of them need be in memory at
 * once.
 *
 * <p>Declare all tensors first, then write them in any order, without copies. Writing is atomic:
 * {@link #commit} puts the complete file in place and replaces an existing one. Until then, or if
 * the writer is closed without a commit, nothing changes. The same tensors and metadata give the
 * same bytes, which equal those of the format's own implementation: larger elements come first,
 * then names in order, so that every tensor is aligned. Not thread-safe.
 *
 * <p>Symbolic links are followed: the target is replaced, the link stays. A replaced file keeps its
 * permissions, but gets the owner, group, access control lists and hard links of a new file. Until
 * the commit, the data are in a hidden file in the same folder, named {@code .safetensors-} and a
 * random suffix; a killed process leaves it behind.
 *
 * <p>Format: <a
 * href="https://github.com/huggingface/safetensors#format">huggingface/safetensors</a>.
 */
public final class SafetensorsWriter implements AutoCloseable {
  private static final long CHUNK_BYTES = 64 << 20;
  private static final int MOST_NAMED = 5;

  private final Path file;
  private final ReplacedFile replaced;
  private final HeaderText header;
  private final Map<String, HeaderText.Entry> missing;

  private SafetensorsWriter(Path file, HeaderText header, Map<String, HeaderText.Entry> tensors)
      throws IOException {
    this.file = file;
    this.header = header;
    this.missing = new LinkedHashMap<>(tensors);
    this.replaced = new ReplacedFile(file);
    try {
      write(0, MemorySegment.ofArray(header.bytes()));
    } catch (IOException e) {
      close();
      throw e;
    }
  }

  /** A builder that declares the contents of a file. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Writes a file at once.
   *
   * @param tensors by name; any strides
   * @throws IllegalArgumentException if a name is not valid
   * @throws IllegalStateException if a tensor was closed
   * @throws WrongThreadException if another thread owns a tensor's device
   * @throws IOException if it cannot be written; an existing file stays unchanged
   */
  public static void write(Path file, Map<String, String> metadata, Map<String, Tensor> tensors)
      throws IOException {
    Builder builder = builder();
    metadata.forEach(builder::metadata);
    tensors.forEach(
        (name, tensor) -> builder.tensor(name, StoredType.of(tensor.dtype()), tensor.shape()));
    try (SafetensorsWriter writer = builder.open(file)) {
      for (Map.Entry<String, Tensor> tensor : tensors.entrySet()) {
        writer.write(tensor.getKey(), tensor.getValue());
      }
      writer.commit();
    }
  }

  /**
   * Writes one tensor.
   *
   * @param tensor of the declared dtype and shape; any strides
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if no tensor with that name, dtype and shape was declared
   * @throws IllegalStateException if it was written already, or the tensor or this writer was
   *     closed
   * @throws WrongThreadException if another thread owns the tensor's device
   * @throws IOException if it cannot be written
   */
  public void write(String name, Tensor tensor) throws IOException {
    HeaderText.Entry entry = take(name);
    StoredType type = StoredType.of(tensor.dtype());
    if (!entry.isLike(type, tensor.shape())) {
      throw new IllegalArgumentException(
          "tensor \""
              + name
              + "\" is "
              + type
              + Arrays.toString(tensor.shape())
              + "; "
              + entry.type()
              + entry.shape()
              + " was announced");
    }
    long[] position = {header.offset(entry)};
    RowMajor.forEachPiece(
        tensor,
        piece -> {
          write(position[0], piece);
          position[0] += piece.byteSize();
        });
    missing.remove(name);
  }

  /**
   * Writes one tensor of any type from its bytes.
   *
   * @param data row-major and little-endian, for instance {@link StoredTensor#data}
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if no tensor with that name and size was declared
   * @throws IllegalStateException if it was written already, or this was closed
   * @throws IOException if it cannot be written
   */
  public void write(String name, MemorySegment data) throws IOException {
    HeaderText.Entry entry = take(name);
    if (data.byteSize() != entry.bytes()) {
      throw new IllegalArgumentException(
          "tensor \""
              + name
              + "\" has "
              + data.byteSize()
              + " bytes; "
              + entry.bytes()
              + " were announced");
    }
    write(header.offset(entry), data);
    missing.remove(name);
  }

  private HeaderText.Entry take(String name) {
    requireOpen();
    HeaderText.Entry entry = missing.get(name);
    if (entry == null) {
      if (header.has(name)) {
        throw new IllegalStateException("tensor \"" + name + "\" was written already");
      }
      throw new IllegalArgumentException("tensor \"" + name + "\" was not announced");
    }
    return entry;
  }

  private void write(long position, MemorySegment data) throws IOException {
    for (long done = 0; done < data.byteSize(); done += CHUNK_BYTES) {
      long length = Math.min(CHUNK_BYTES, data.byteSize() - done);
      ByteBuffer chunk = data.asSlice(done, length).asByteBuffer();
      while (chunk.hasRemaining()) {
        replaced.channel().write(chunk, position + done + chunk.position());
      }
    }
  }

  /**
   * Puts the complete file in place atomically.
   *
   * @throws IllegalStateException if a tensor was not written, or this was closed
   * @throws IOException if it cannot be stored; an existing file stays unchanged
   */
  public void commit() throws IOException {
    requireOpen();
    if (!missing.isEmpty()) {
      throw new IllegalStateException(
          "not written yet: "
              + missing.keySet().stream().limit(MOST_NAMED).toList()
              + (missing.size() > MOST_NAMED ? " and others, " + missing.size() + " in all" : ""));
    }
    replaced.commit();
  }

  private void requireOpen() {
    if (!replaced.channel().isOpen()) {
      throw new IllegalStateException("the writer of " + file + " was closed");
    }
  }

  /** Closes the writer; without a commit it discards the file. Closing it again does nothing. */
  @Override
  public void close() throws IOException {
    replaced.close();
  }

  /** Declares tensors and metadata. */
  public static final class Builder {
    private final SortedMap<String, String> metadata = new TreeMap<>(HeaderText.ORDER);
    private final Map<String, HeaderText.Entry> tensors = new LinkedHashMap<>();

    private Builder() {}

    /**
     * Adds a pair of free text to the metadata.
     *
     * @throws NullPointerException if an argument is null
     * @throws IllegalArgumentException if the key exists already
     */
    public Builder metadata(String key, String value) {
      HeaderText.requireText(key);
      HeaderText.requireText(value);
      if (metadata.put(key, value) != null) {
        throw new IllegalArgumentException("a second metadata key \"" + key + "\"");
      }
      return this;
    }

    /**
     * Declares a tensor.
     *
     * @param shape extents, outermost first, each 0 or more; at most 64
     * @throws NullPointerException if an argument is null
     * @throws IllegalArgumentException if the name exists already, is {@code __metadata__} or is
     *     not valid Unicode, or if shape is wrong
     */
    public Builder tensor(String name, StoredType type, long... shape) {
      HeaderText.Entry entry = HeaderText.Entry.of(name, type, shape);
      if (tensors.put(name, entry) != null) {
        throw new IllegalArgumentException("a second tensor named \"" + name + "\"");
      }
      return this;
    }

    /**
     * Creates the temporary file and writes the header.
     *
     * @throws IllegalArgumentException if the header or the file would be too long
     * @throws IOException if the folder is not writable
     */
    public SafetensorsWriter open(Path file) throws IOException {
      return new SafetensorsWriter(file, new HeaderText(metadata, tensors.values()), tensors);
    }
  }
}
