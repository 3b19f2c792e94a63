// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionInputs;
import org.lvxattn.DType;
import org.lvxattn.Tensor;
import org.lvxattn.plan.BiasShape;

/** What one rank tells the others about its call, so that all choose the same strategy. */
record CallFacts(long queries, long keys, long ranges, Common common, BiasFacts bias) {
  /** What must be equal on all ranks. */
  record Common(long batch, long elementBytes, boolean hasVisibility, boolean hasBias) {}

  /** Broadcasting and dtype of the bias; all false if there is none. */
  record BiasFacts(
      boolean perBatch, boolean perHead, boolean perQuery, boolean isFloat32, boolean hasGradient) {
    BiasShape shape(DType queries) {
      return new BiasShape(
          perBatch, perHead, perQuery, isFloat32 ? DType.FLOAT32 : queries, hasGradient);
    }
  }

  static CallFacts of(AttentionInputs inputs, @Nullable Tensor dBias) {
    Tensor q = inputs.q();
    Tensor visibility = inputs.mask().visibility();
    Tensor bias = inputs.mask().bias();
    return new CallFacts(
        q.dimension(1),
        inputs.k().dimension(1),
        visibility == null ? 0 : visibility.dimension(2),
        new Common(q.dimension(0), q.dtype().bytes(), visibility != null, bias != null),
        new BiasFacts(
            bias != null && bias.dimension(0) != 1,
            bias != null && bias.dimension(1) != 1,
            bias != null && bias.dimension(2) != 1,
            bias != null && bias.dtype() == DType.FLOAT32,
            dBias != null));
  }

  byte[] encode() {
    ByteBuffer bytes = ByteBuffer.allocate(12 * Long.BYTES);
    bytes.putLong(queries).putLong(keys).putLong(ranges);
    bytes.putLong(common.batch).putLong(common.elementBytes);
    put(bytes, common.hasVisibility, common.hasBias);
    put(bytes, bias.perBatch, bias.perHead, bias.perQuery, bias.isFloat32, bias.hasGradient);
    return bytes.array();
  }

  static CallFacts decode(byte[] encoded) {
    ByteBuffer bytes = ByteBuffer.wrap(encoded);
    return new CallFacts(
        bytes.getLong(),
        bytes.getLong(),
        bytes.getLong(),
        new Common(bytes.getLong(), bytes.getLong(), flag(bytes), flag(bytes)),
        new BiasFacts(flag(bytes), flag(bytes), flag(bytes), flag(bytes), flag(bytes)));
  }

  private static void put(ByteBuffer bytes, boolean... flags) {
    for (boolean flag : flags) {
      bytes.putLong(flag ? 1 : 0);
    }
  }

  private static boolean flag(ByteBuffer bytes) {
    return bytes.getLong() != 0;
  }
}
