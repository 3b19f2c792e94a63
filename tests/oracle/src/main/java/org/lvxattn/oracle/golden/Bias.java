// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.lvxattn.oracle.AttentionShape;

/** The additive bias of the logits: [batch or 1, heads or 1, queries or 1, keys]. */
final class Bias {
  private final float[] values;
  private final long[] shape;

  Bias(float[] values, long[] shape) {
    this.values = values;
    this.shape = shape;
    if (shape.length != 4) {
      throw new GoldenException("bias of shape " + Arrays.toString(shape) + ", expected 4 sizes");
    }
  }

  float[] values() {
    return values;
  }

  long[] shape() {
    return shape;
  }

  private int index(int item, int head, int query, int key) {
    long index = shape[0] == 1 ? 0 : item;
    index = index * shape[1] + (shape[1] == 1 ? 0 : head);
    index = index * shape[2] + (shape[2] == 1 ? 0 : query);
    return Math.toIntExact(index * shape[3] + key);
  }

  /** The mask as a bias of -inf, combined with the other bias if there is one. */
  static Bias of(VisibilityMask mask, @Nullable Bias added, AttentionShape shape) {
    int[] sizes = new int[4];
    for (int i = 0; i < 3; i++) {
      sizes[i] = Math.max(mask.size(i), added == null ? 1 : Math.toIntExact(added.shape[i]));
    }
    sizes[3] = Math.toIntExact(shape.keys());
    float[] values = new float[sizes[0] * sizes[1] * sizes[2] * sizes[3]];
    int at = 0;
    for (int item = 0; item < sizes[0]; item++) {
      for (int head = 0; head < sizes[1]; head++) {
        for (int query = 0; query < sizes[2]; query++) {
          for (int key = 0; key < sizes[3]; key++) {
            float bias = added == null ? 0 : added.values[added.index(item, head, query, key)];
            boolean visible = mask.visible(item, head, query, key);
            values[at++] = visible ? bias : Float.NEGATIVE_INFINITY;
          }
        }
      }
    }
    return new Bias(values, Arrays.stream(sizes).asLongStream().toArray());
  }

  /** Columns begin to end. */
  Bias window(int begin, int end) {
    int keys = Math.toIntExact(shape[3]);
    int rows = keys == 0 ? 0 : values.length / keys;
    float[] columns = new float[rows * (end - begin)];
    for (int row = 0; row < rows; row++) {
      System.arraycopy(values, row * keys + begin, columns, row * (end - begin), end - begin);
    }
    return new Bias(columns, new long[] {shape[0], shape[1], shape[2], end - begin});
  }

  /** Sums a gradient of this bias to the shape of the narrower bias that was broadcast to it. */
  double[] sumTo(Bias narrower, double[] gradient) {
    double[] sum = new double[narrower.values.length];
    int at = 0;
    for (int item = 0; item < shape[0]; item++) {
      for (int head = 0; head < shape[1]; head++) {
        for (int query = 0; query < shape[2]; query++) {
          for (int key = 0; key < shape[3]; key++) {
            sum[narrower.index(item, head, query, key)] += gradient[at++];
          }
        }
      }
    }
    return sum;
  }
}
