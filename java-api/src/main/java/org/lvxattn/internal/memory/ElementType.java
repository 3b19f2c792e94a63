// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.util.Locale;

/** The type of elements in native memory; the public DType names it for users. */
public enum ElementType {
  /** IEEE 754 double precision. */
  FLOAT64(8, 2),
  /** IEEE 754 single precision. */
  FLOAT32(4, 2),
  /** The upper half of a float32. */
  BFLOAT16(2, 4),
  /** IEEE 754 half precision. */
  FLOAT16(2, 2),
  /** Two's complement integers. */
  INT32(4, 0);

  private final int bytes;
  private final int code;

  ElementType(int bytes, int code) {
    this.bytes = bytes;
    this.code = code;
  }

  /** Size of one element in bytes. */
  public int bytes() {
    return bytes;
  }

  /** Size of one element in bits, for DLPack. */
  public int bits() {
    return bytes * Byte.SIZE;
  }

  /** DLPack's type code. */
  public int code() {
    return code;
  }

  /** Whether this is one of the floating-point types. */
  public boolean isFloating() {
    return this != INT32;
  }

  /** The name in lower case, as numerical libraries write it: {@code bfloat16}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
