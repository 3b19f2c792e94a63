// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.util.Optional;
import org.lvxattn.DType;

/**
 * Element types of a safetensors file, by the names the format gives them, in the format's own
 * order; little-endian. Its types of less than a byte are not supported.
 */
public enum StoredType {
  BOOL(1),
  U8(1),
  I8(1),
  F8_E5M2(1),
  F8_E4M3(1),
  F8_E8M0(1),
  F8_E4M3FNUZ(1),
  F8_E5M2FNUZ(1),
  I16(2),
  U16(2),
  F16(2),
  BF16(2),
  I32(4),
  U32(4),
  F32(4),
  C64(8),
  F64(8),
  I64(8),
  U64(8);

  private final int bytes;

  StoredType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }

  /** What a tensor of it has; empty where the library does not compute with it. */
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

  /** How a tensor of a dtype is stored. */
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
