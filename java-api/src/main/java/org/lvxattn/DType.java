// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.internal.memory.ElementType;

/** The type of a tensor's elements. */
public enum DType {
  /** IEEE 754 double precision; computed and accumulated in float64. */
  FLOAT64(ElementType.FLOAT64),
  /** IEEE 754 single precision; accumulated in float32. */
  FLOAT32(ElementType.FLOAT32),
  /** The upper half of a float32: 8 bits of exponent, 8 of precision; accumulated in float32. */
  BFLOAT16(ElementType.BFLOAT16),
  /** IEEE 754 half precision: 5 bits of exponent, 11 of precision; accumulated in float32. */
  FLOAT16(ElementType.FLOAT16),
  /** 32-bit two's complement integers, for visibility ranges, positions and row flags. */
  INT32(ElementType.INT32);

  private final ElementType element;

  DType(ElementType element) {
    this.element = element;
  }

  /** Size of one element in bytes. */
  public int bytes() {
    return element.bytes();
  }

  /** Whether this is one of the floating-point types. */
  public boolean isFloating() {
    return element.isFloating();
  }

  /**
   * The dtype of sums of this type, of log-sum-exp and of delta: float64 for float64, float32 for
   * the other floating-point types.
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

  ElementType element() {
    return element;
  }

  static DType of(ElementType element) {
    return switch (element) {
      case FLOAT64 -> FLOAT64;
      case FLOAT32 -> FLOAT32;
      case BFLOAT16 -> BFLOAT16;
      case FLOAT16 -> FLOAT16;
      case INT32 -> INT32;
    };
  }

  /** The name in lower case, as numerical libraries write it: {@code bfloat16}. */
  @Override
  public String toString() {
    return element.toString();
  }
}
