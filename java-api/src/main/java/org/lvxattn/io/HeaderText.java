// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;

/**
 * The header of a new file, byte for byte as the format's own implementation writes it for the same
 * tensors and metadata. Tensors with larger elements come first, so that all tensors are aligned;
 * then they are ordered by the UTF-8 bytes of their names. Spaces pad the header to a multiple of 8
 * bytes.
 */
final class HeaderText {
  private static final int ALIGNMENT = 8;

  /** The order of texts in the format's own implementation. */
  static final Comparator<String> ORDER =
      Comparator.comparing(HeaderText::utf8, Arrays::compareUnsigned);

  /** One declared tensor. */
  record Entry(String name, StoredType type, List<Long> shape, long bytes) {
    /**
     * @throws IllegalArgumentException if name or shape is not valid for a tensor
     */
    static Entry of(String name, StoredType type, long... shape) {
      requireText(name);
      if (type == StoredType.UNKNOWN) {
        throw new IllegalArgumentException("tensor \"" + name + "\" of a type that is not known");
      }
      if (name.equals(SafetensorsHeader.METADATA)) {
        throw new IllegalArgumentException("no tensor can be named \"" + name + "\"");
      }
      boolean valid = shape.length <= JsonScanner.MAX_INTEGERS;
      boolean empty = false;
      for (long extent : shape) {
        valid &= extent >= 0;
        empty |= extent == 0;
      }
      if (!valid) {
        throw new IllegalArgumentException(
            "tensor \""
                + name
                + "\" has shape "
                + Arrays.toString(shape)
                + "; at most "
                + JsonScanner.MAX_INTEGERS
                + " extents of 0 or more were expected");
      }
      long bytes;
      try {
        long elements = empty ? 0 : Arrays.stream(shape).reduce(1, Math::multiplyExact);
        if (!type.fillsBytes(elements)) {
          throw new IllegalArgumentException(
              "tensor \""
                  + name
                  + "\" has shape "
                  + Arrays.toString(shape)
                  + "; elements of "
                  + type
                  + " that fill whole bytes were expected");
        }
        bytes = type.bytesOf(elements);
      } catch (ArithmeticException e) {
        throw new IllegalArgumentException(
            "tensor \"" + name + "\" of shape " + Arrays.toString(shape) + " exceeds 2^63 bytes",
            e);
      }
      return new Entry(name, type, Arrays.stream(shape).boxed().toList(), bytes);
    }

    boolean isLike(StoredType otherType, long[] otherShape) {
      return type == otherType && shape.equals(Arrays.stream(otherShape).boxed().toList());
    }
  }

  private final byte[] bytes;
  private final Map<String, Long> offsets = new HashMap<>();

  /**
   * @throws IllegalArgumentException if the header or the file would be too long
   */
  HeaderText(SortedMap<String, String> metadata, Collection<Entry> tensors) {
    List<Entry> sorted =
        tensors.stream()
            .sorted(Comparator.comparing(Entry::type).reversed().thenComparing(Entry::name, ORDER))
            .toList();
    StringBuilder text = new StringBuilder("{");
    if (!metadata.isEmpty()) {
      text.append(quoted(SafetensorsHeader.METADATA)).append(":{");
      metadata.forEach(
          (key, value) -> text.append(quoted(key)).append(':').append(quoted(value)).append(','));
      text.setCharAt(text.length() - 1, '}');
      text.append(',');
    }
    long position = 0;
    for (Entry entry : sorted) {
      offsets.put(entry.name(), position);
      if (entry.bytes() > Long.MAX_VALUE - Safetensors.MAX_HEADER_BYTES - Long.BYTES - position) {
        throw new IllegalArgumentException("all tensors together exceed 2^63 bytes");
      }
      long next = position + entry.bytes();
      text.append(quoted(entry.name())).append(":{\"dtype\":\"").append(entry.type());
      text.append("\",\"shape\":").append(entry.shape().toString().replace(" ", ""));
      text.append(",\"data_offsets\":[").append(position).append(',').append(next).append("]},");
      position = next;
    }
    if (text.length() > 1) {
      text.setLength(text.length() - 1);
    }
    byte[] header = utf8(text.append('}').toString());
    int padded = Math.ceilDiv(header.length, ALIGNMENT) * ALIGNMENT;
    if (padded > Safetensors.MAX_HEADER_BYTES) {
      throw new IllegalArgumentException(
          "the header would have "
              + padded
              + " bytes; at most "
              + Safetensors.MAX_HEADER_BYTES
              + " were expected");
    }
    bytes = new byte[Long.BYTES + padded];
    Arrays.fill(bytes, (byte) ' ');
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(padded).put(header);
    for (Map.Entry<String, Long> offset : offsets.entrySet()) {
      offset.setValue(bytes.length + offset.getValue());
    }
  }

  /** The length field and the text: the file up to its data. */
  byte[] bytes() {
    return bytes;
  }

  /** Offset of a tensor's data in the file. */
  long offset(Entry entry) {
    return Objects.requireNonNull(offsets.get(entry.name()));
  }

  boolean has(String name) {
    return offsets.containsKey(name);
  }

  /**
   * @throws IllegalArgumentException if it cannot be written as UTF-8
   */
  static void requireText(String text) {
    utf8(text);
  }

  /** A JSON string with minimal escapes. */
  private static String quoted(String value) {
    StringBuilder text = new StringBuilder("\"");
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      switch (c) {
        case '"', '\\' -> text.append('\\').append(c);
        case '\b' -> text.append("\\b");
        case '\f' -> text.append("\\f");
        case '\n' -> text.append("\\n");
        case '\r' -> text.append("\\r");
        case '\t' -> text.append("\\t");
        default -> text.append(c < ' ' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
      }
    }
    return text.append('"').toString();
  }

  private static byte[] utf8(String text) {
    try {
      ByteBuffer encoded = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
      byte[] bytes = new byte[encoded.remaining()];
      encoded.get(bytes);
      return bytes;
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException("half a surrogate pair in \"" + text + "\"", e);
    }
  }
}
