// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A safetensors file, mapped into memory: nothing is copied, and files may be far larger than 2
 * GiB.
 *
 * <p>Opening checks the whole header. It rejects a file whose tensors do not cover its data exactly
 * (gaps, overlaps, trailing bytes), whose sizes and shapes disagree, that repeats a name, or that
 * is truncated. A tensor of an unknown type is listed, but reading its data throws. The class is
 * thread-safe. A file must not shrink while it is open: native code that reads beyond its end would
 * crash the process (SIGBUS).
 *
 * <p>Format: <a
 * href="https://github.com/huggingface/safetensors#format">huggingface/safetensors</a>.
 */
public final class Safetensors implements StoredTensors {
  /** The longest header accepted, in bytes: the limit of the format's own implementation. */
  public static final long MAX_HEADER_BYTES = 100_000_000;

  private static final ValueLayout.OfLong LITTLE_ENDIAN_LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Path file;
  private final Arena arena;
  private final Map<String, String> metadata;
  private final Map<String, StoredTensor> tensors;

  private Safetensors(
      Path file, Arena arena, Map<String, String> metadata, Map<String, StoredTensor> tensors) {
    this.file = file;
    this.arena = arena;
    this.metadata = metadata;
    this.tensors = tensors;
  }

  /**
   * Opens a file.
   *
   * @throws SafetensorsException if it is not a well-formed safetensors file; the message says what
   *     it seems to be instead (a Git LFS pointer, a web page, a pickle)
   * @throws IOException if it cannot be read, or is a folder
   */
  public static Safetensors open(Path file) throws IOException {
    Folders.refuse(file);
    Arena arena = Arena.ofShared();
    try {
      MemorySegment bytes;
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
        bytes = channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
      }
      MemorySegment text = headerText(file, bytes);
      SafetensorsHeader header = new SafetensorsHeader(file, text);
      long dataStart = Long.BYTES + text.byteSize();
      MemorySegment data = bytes.asSlice(dataStart);
      header.checkTiling(dataStart, data.byteSize());
      Map<String, StoredTensor> tensors = new LinkedHashMap<>();
      for (SafetensorsHeader.Entry entry : header.entries()) {
        long size = entry.end - entry.begin;
        // Without data any aligned address will do.
        MemorySegment slice = size == 0 ? bytes.asSlice(0, 0) : data.asSlice(entry.begin, size);
        tensors.put(entry.name, new StoredTensor(entry, slice));
      }
      return new Safetensors(file, arena, header.metadata(), Collections.unmodifiableMap(tensors));
    } catch (IOException | RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  private static MemorySegment headerText(Path file, MemorySegment bytes)
      throws SafetensorsException {
    if (bytes.byteSize() < Long.BYTES) {
      throw notOne(
          file,
          bytes,
          bytes.byteSize(),
          "the file ends here; expected 8 bytes that hold the header's length");
    }
    long length = bytes.get(LITTLE_ENDIAN_LONG, 0);
    if (length < 0 || length > MAX_HEADER_BYTES) {
      throw notOne(
          file,
          bytes,
          0,
          "a header of "
              + Long.toUnsignedString(length)
              + " bytes is announced; expected at most "
              + MAX_HEADER_BYTES);
    }
    if (length > bytes.byteSize() - Long.BYTES) {
      throw notOne(
          file,
          bytes,
          bytes.byteSize(),
          "the file ends inside its header; expected " + length + " header bytes from byte 8 on");
    }
    // The format allows spaces after the header, as padding, but not before it.
    if (length == 0 || bytes.get(ValueLayout.JAVA_BYTE, Long.BYTES) != '{') {
      throw notOne(file, bytes, Long.BYTES, "expected the header to begin with '{'");
    }
    return bytes.asSlice(Long.BYTES, length);
  }

  private static SafetensorsException notOne(
      Path file, MemorySegment bytes, long offset, String fault) {
    String seems = Lookalike.of(bytes);
    return seems == null
        ? new SafetensorsException(file, offset, fault)
        : new SafetensorsException(file, 0, "this seems to be " + seems);
  }

  /** The file's metadata, pairs of free text, in file order; empty if there is none. */
  public Map<String, String> metadata() {
    return metadata;
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
          file
              + " holds no tensor \""
              + name
              + "\"; "
              + NearestNames.describe(name, tensors.keySet()));
    }
    return tensor;
  }

  /** The file's path, as given to {@link #open}. */
  public Path file() {
    return file;
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
