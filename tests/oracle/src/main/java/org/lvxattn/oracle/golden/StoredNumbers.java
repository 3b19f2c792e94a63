// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.lvxattn.io.StoredTensor;

/** Numbers of a stored tensor as Java arrays. */
final class StoredNumbers {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfDouble DOUBLE =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private StoredNumbers() {}

  /** Floating-point numbers of any width, exactly. */
  static double[] doubles(StoredTensor tensor) {
    MemorySegment data = tensor.data();
    double[] values = new double[Math.toIntExact(tensor.elements())];
    switch (tensor.type()) {
      case F64 -> Arrays.setAll(values, i -> data.getAtIndex(DOUBLE, i));
      case F32 -> Arrays.setAll(values, i -> data.getAtIndex(FLOAT, i));
      case BF16 ->
          Arrays.setAll(values, i -> Float.intBitsToFloat(data.getAtIndex(SHORT, i) << 16));
      case F16 -> Arrays.setAll(values, i -> Float.float16ToFloat(data.getAtIndex(SHORT, i)));
      default -> throw unexpected(tensor, "a floating-point dtype");
    }
    return values;
  }

  /** Floating-point numbers of at most 32 bits, exactly; unseen inputs may be infinite or NaN. */
  static float[] floats(StoredTensor tensor) {
    double[] wide = doubles(tensor);
    float[] values = new float[wide.length];
    for (int i = 0; i < wide.length; i++) {
      values[i] = (float) wide[i];
      if (values[i] != wide[i] && !Double.isNaN(wide[i])) {
        throw new GoldenException(tensor + " holds " + wide[i] + ", which no float32 equals");
      }
    }
    return values;
  }

  static int[] ints(StoredTensor tensor) {
    return switch (tensor.type()) {
      case I32 -> tensor.data().toArray(INT);
      case U8, BOOL -> {
        byte[] bytes = tensor.data().toArray(ValueLayout.JAVA_BYTE);
        int[] values = new int[bytes.length];
        Arrays.setAll(values, i -> bytes[i] & 0xff);
        yield values;
      }
      default -> throw unexpected(tensor, "I32, U8 or BOOL");
    };
  }

  private static GoldenException unexpected(StoredTensor tensor, String expected) {
    return new GoldenException("tensor " + tensor + ", expected " + expected);
  }
}
