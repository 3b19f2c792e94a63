// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_engine_choice;

/**
 * One decision of {@link Engine#AUTO}. Sizes are those of one block of queries and keys; where they
 * are all 0, it is for any sizes, for the reason given.
 *
 * @param engine the one chosen
 * @param backward whether it is for backward; forward otherwise
 * @param dtype of queries, keys and values
 * @param batch the batch size
 * @param queries queries of the block
 * @param keys keys of the block
 * @param queryHeads heads of queries
 * @param keyHeads heads of keys and values
 * @param headDim elements of a head
 * @param lvxSeconds what {@link Engine#LVX} took; 0 if that was not measured
 * @param cudnnSeconds what {@link Engine#CUDNN} took; 0 if that was not measured
 * @param reason for people
 */
public record EngineChoice(
    Engine engine,
    boolean backward,
    DType dtype,
    long batch,
    long queries,
    long keys,
    int queryHeads,
    int keyHeads,
    int headDim,
    double lvxSeconds,
    double cudnnSeconds,
    String reason) {

  static EngineChoice read(MemorySegment struct) {
    return new EngineChoice(
        Engine.of(lvx_engine_choice.engine(struct)),
        lvx_engine_choice.backward(struct) != 0,
        dtype(lvx_engine_choice.dtype_code(struct), lvx_engine_choice.dtype_bits(struct)),
        lvx_engine_choice.batch(struct),
        lvx_engine_choice.queries(struct),
        lvx_engine_choice.keys(struct),
        lvx_engine_choice.query_heads(struct),
        lvx_engine_choice.key_heads(struct),
        lvx_engine_choice.head_dim(struct),
        lvx_engine_choice.lvx_seconds(struct),
        lvx_engine_choice.cudnn_seconds(struct),
        lvx_engine_choice.reason(struct).getString(0));
  }

  private static DType dtype(int code, int bits) {
    if (code == Lvx.LVX_BFLOAT()) {
      return DType.BFLOAT16;
    }
    return switch (bits) {
      case 16 -> DType.FLOAT16;
      case 32 -> DType.FLOAT32;
      default -> DType.FLOAT64;
    };
  }
}
