// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import org.lvxattn.DType;

/** The largest {@link org.lvxattn.errors.RelativeError} that a result may have. */
public final class Bounds {
  private Bounds() {}

  /**
   * Bound of one tensor.
   *
   * @param tensor its name: {@code o}, {@code lse}, {@code dq}, ... and those of shards, as {@code
   *     o_part}
   * @param hugeLogits whether logits are so large that float32 holds them to few decimals
   */
  public static double of(DType dtype, String tensor, boolean hugeLogits) {
    return switch (dtype) {
      case FLOAT64 -> 2e-7; // the files hold float32
      case FLOAT32 -> hugeLogits ? 1e-4 : 5e-6;
      case BFLOAT16 -> half(tensor, 6e-3, 1.6e-2);
      case FLOAT16 -> half(tensor, 8e-4, 2e-3);
      case INT32 -> throw new IllegalArgumentException("int32 is no dtype of results");
    };
  }

  /** Bound of every tensor of a whole layer. */
  public static double ofLayer(DType dtype) {
    return switch (dtype) {
      case FLOAT64 -> 2e-7; // the files hold float32
      case FLOAT32 -> 2e-5;
      case BFLOAT16, FLOAT16, INT32 ->
          throw new IllegalArgumentException("layers are not judged in " + dtype);
    };
  }

  private static double half(String tensor, double output, double gradients) {
    return switch (tensor) {
      case "lse", "lse_part" -> 1e-4;
      case "o", "o_part" -> output;
      default -> gradients;
    };
  }
}
