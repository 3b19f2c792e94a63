// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.util.Optional;
import org.lvxattn.DType;

/**
 * Element types of a safetensors file, with the format's names and in its order; little-endian.
 * Elements of less than a byte are packed, and the elements of a tensor fill whole bytes.
 */
public enum StoredType {
  BOOL(8),
  F4(4),
  F6_E2M3(6),
  F6_E3M2(6),
  U8(8),
  I8(8),
  F8_E5M2(8),
  F8_E4M3(8),
  F8_E8M0(8),
  F8_E4M3FNUZ(8),
  F8_E5M2FNUZ(8),
  I16(16),
  U16(16),
  F16(16),
  BF16(16),
  I32(32),
  U32(32),
  F32(32),
  C64(64),
  F64(64),
  I64(64),
  U64(64),

  /** A type that this version does not know; {@link StoredTensor#typeName} has its name. */
  UNKNOWN(0);

  private final int bits;

  StoredType(int bits) {
    this.bits = bits;
  }

  /** Bits of one element; 0 for {@link #UNKNOWN}. */
  public int bits() {
    return bits;
  }

  /**
   * Bytes of one element.
   *
   * @throws IllegalArgumentException if an element has no whole number of bytes, such as F4, or for
   *     {@link #UNKNOWN}
   */
  public int bytes() {
    if (bits == 0 || bits % Byte.SIZE != 0) {
      throw new IllegalArgumentException("an element of " + this + " has no whole bytes");
    }
    return bits / Byte.SIZE;
  }

  /** Alignment in bytes that processors need to read elements. */
  int alignment() {
    return Math.max(1, bits / Byte.SIZE);
  }

  /** Whether the given number of elements fills whole bytes. */
  boolean fillsBytes(long elements) {
    return elements % Byte.SIZE * bits % Byte.SIZE == 0;
  }

  /**
   * The size in bytes of the given number of elements, which must fill whole bytes.
   *
   * @throws ArithmeticException if it exceeds 2^63
   */
  long bytesOf(long elements) {
    // Eight elements have as many bytes as one element has bits.
    long eights = Math.multiplyExact(elements / Byte.SIZE, bits);
    return Math.addExact(eights, elements % Byte.SIZE * bits / Byte.SIZE);
  }

  /** The dtype of a tensor with this element type; empty if the library does not support it. */
  public Optional<DType> dtype() {
    return switch (this) {
      case F64 -> Optional.of(DType.FLOAT64);
      case F32 -> Optional.of(DType.FLOAT32);
      case BF16 -> Optional.of(DType.BFLOAT16);
      case F16 -> Optional.of(DType.FLOAT16);
      case I32 -> Optional.of(DType.INT32);
      default -> Optional.empty();
    };
  }

  /** The element type that stores a dtype. */
  public static StoredType of(DType dtype) {
    return switch (dtype) {
      case FLOAT64 -> F64;
      case FLOAT32 -> F32;
      case BFLOAT16 -> BF16;
      case FLOAT16 -> F16;
      case INT32 -> I32;
    };
  }
}
