// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.Locale;

/** The type of a tensor's elements. */
public enum DType {
  /** IEEE 754 double precision; computed and accumulated in float64. */
  FLOAT64(8, 2),
  /** IEEE 754 single precision; accumulated in float32. */
  FLOAT32(4, 2),
  /** The upper half of a float32: 8 bits of exponent, 8 of precision; accumulated in float32. */
  BFLOAT16(2, 4),
  /** IEEE 754 half precision: 5 bits of exponent, 11 of precision; accumulated in float32. */
  FLOAT16(2, 2),
  /** Two's complement integers, for visibility ranges; not computed with. */
  INT32(4, 0);

  private final int bytes;
  private final int code;

  DType(int bytes, int code) {
    this.bytes = bytes;
    this.code = code;
  }

  /** Size of one element in bytes. */
  public int bytes() {
    return bytes;
  }

  /** Whether this is one of the floating-point types. */
  public boolean isFloating() {
    return this != INT32;
  }

  /**
   * What sums of this type, log-sum-exp and delta are kept in: float64 for float64, float32 for the
   * other floating-point types.
   *
   * @throws IllegalArgumentException for {@link #INT32}, which is never accumulated
   */
  public DType accumulator() {
    return switch (this) {
      case FLOAT64 -> FLOAT64;
      case FLOAT32, BFLOAT16, FLOAT16 -> FLOAT32;
      case INT32 ->
          throw new IllegalArgumentException(
              "int32 has no accumulator: a floating-point dtype was expected");
    };
  }

  /** DLPack's type code. */
  int code() {
    return code;
  }

  /** The name in lower case, as numerical libraries write it: {@code bfloat16}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
