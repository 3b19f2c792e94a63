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
 * Writes a safetensors file, one tensor after the other, so that not all of them need be in memory
 * at once.
 *
 * <p>All tensors are announced first, then written in any order, from where they lie. The file
 * appears under its name when {@link #commit} has stored it completely, and replaces one that was
 * there; until then, or if it is only closed, nothing is seen of it. The same tensors and metadata
 * give the same bytes, which are those of the format's own implementation: larger elements first,
 * then by name, so that every tensor is aligned. Used by one thread at a time.
 *
 * <p>A symbolic link is followed: the file that it leads to is replaced, and the link stays. The
 * file that is replaced keeps its permissions; owner, group, access control lists and hard links
 * are those of a new file. Until it is committed the file lies beside its place under a hidden
 * name, {@code .safetensors-} and a random one, which a process that is killed leaves behind.
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

  /** Announces what a file will hold. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Writes a file at once.
   *
   * @param tensors by name; any strides
   * @throws IllegalArgumentException if a name cannot be one
   * @throws IllegalStateException if a tensor was closed
   * @throws WrongThreadException if another thread owns a tensor's device
   * @throws IOException if it cannot be written; a file that was there stays as it was
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
   * @param tensor of the dtype and shape that were announced; any strides
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if none of that name was announced, or with another dtype or
   *     shape
   * @throws IllegalStateException if it was written already, the tensor was closed, or this was
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
   * @throws IllegalArgumentException if none of that name was announced, or with another size
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
   * Stores the file under its name, in one step.
   *
   * @throws IllegalStateException if a tensor was not written, or this was closed
   * @throws IOException if it cannot be stored; a file that was there stays as it was
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

  /** Gives up what was not committed. Closing twice does nothing. */
  @Override
  public void close() throws IOException {
    replaced.close();
  }

  /** Announces tensors and metadata. */
  public static final class Builder {
    private final SortedMap<String, String> metadata = new TreeMap<>(HeaderText.ORDER);
    private final Map<String, HeaderText.Entry> tensors = new LinkedHashMap<>();

    private Builder() {}

    /**
     * Adds a pair of free text.
     *
     * @throws NullPointerException if an argument is null
     * @throws IllegalArgumentException if there is one of that key
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
     * Announces a tensor.
     *
     * @param shape extents, outermost first, each 0 or more; at most 64
     * @throws NullPointerException if an argument is null
     * @throws IllegalArgumentException if there is one of that name, the name is {@code
     *     __metadata__} or no Unicode text, or shape is wrong
     */
    public Builder tensor(String name, StoredType type, long... shape) {
      HeaderText.Entry entry = HeaderText.Entry.of(name, type, shape);
      if (tensors.put(name, entry) != null) {
        throw new IllegalArgumentException("a second tensor named \"" + name + "\"");
      }
      return this;
    }

    /**
     * Begins the file.
     *
     * @throws IllegalArgumentException if all of it would be too long
     * @throws IOException if nothing can be written there
     */
    public SafetensorsWriter open(Path file) throws IOException {
      return new SafetensorsWriter(file, new HeaderText(metadata, tensors.values()), tensors);
    }
  }
}
