// SPDX-License-Identifier: Apache-2.0
package org.example;

import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.LocalWorld;

/** A small problem whose result is known: with equal keys, attention is the mean of the values. */
public final class Client {
  private static final int KEYS = 16;
  private static final int HEAD_DIM = 8;

  private Client() {}

  public static void main(String[] arguments) {
    System.out.println(result());
  }

  /** Says whether the result is right, so that a caller in another class loader can read it. */
  public static String result() {
    float[] ones = new float[KEYS * HEAD_DIM];
    float[] values = new float[KEYS * HEAD_DIM];
    for (int i = 0; i < values.length; i++) {
      ones[i] = 1;
      values[i] = (float) (i / HEAD_DIM); // 0 to 15; the mean is 7.5
    }
    var attention = CrossAttention.builder().heads(1).keyValueHeads(1).headDim(HEAD_DIM).build();
    return LocalWorld.run(
            1,
            group -> {
              Device device = group.device();
              try (Tensor q =
                      Tensor.of(device, DType.FLOAT32, new float[HEAD_DIM], 1, 1, 1, HEAD_DIM);
                  Tensor k = Tensor.of(device, DType.FLOAT32, ones, 1, KEYS, 1, HEAD_DIM);
                  Tensor v = Tensor.of(device, DType.FLOAT32, values, 1, KEYS, 1, HEAD_DIM);
                  var forward = attention.forward(group, q, k, v)) {
                float found = forward.output().toFloats()[0];
                return Math.abs(found - 7.5f) < 1e-5 ? "right" : "WRONG: " + found;
              }
            })
        .getFirst();
  }
}
