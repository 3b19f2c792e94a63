// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import org.lvxattn.DType;

/** Rounds float32 numbers to another dtype: to nearest, ties to even. */
public final class Rounding {
  private static final int BFLOAT16_DROPPED_BITS = 16;

  private Rounding() {}

  public static double[] toDoubles(float[] values, DType dtype) {
    double[] rounded = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = round(values[i], dtype);
    }
    return rounded;
  }

  public static float round(float value, DType dtype) {
    return switch (dtype) {
      case FLOAT64, FLOAT32 -> value;
      case FLOAT16 -> Float.float16ToFloat(Float.floatToFloat16(value));
      case BFLOAT16 -> bfloat16(value);
      case INT32 -> throw new IllegalArgumentException("int32 does not hold fractions");
    };
  }

  private static float bfloat16(float value) {
    if (!Float.isFinite(value)) {
      return value;
    }
    int bits = Float.floatToRawIntBits(value);
    int half = (1 << (BFLOAT16_DROPPED_BITS - 1)) - 1;
    int even = (bits >>> BFLOAT16_DROPPED_BITS) & 1;
    int kept = (bits + half + even) >>> BFLOAT16_DROPPED_BITS;
    return Float.intBitsToFloat(kept << BFLOAT16_DROPPED_BITS);
  }
}
