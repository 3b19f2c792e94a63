// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

/** bfloat16: the upper 16 bits of a float32. */
final class BFloat16 {
  private BFloat16() {}

  /** Rounds to nearest, ties to even; NaN stays NaN. */
  static short of(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      // The payload may be in the lower half only: set the quiet bit so that it stays NaN.
      return (short) ((bits >>> 16) | 0x40);
    }
    return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
  }

  static float toFloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }
}
