// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_attention_backend_choice;

/**
 * One decision of {@link AttentionBackend#AUTO}. Sizes are those of one block of queries and keys.
 * If all sizes are 0, the choice holds for any size, for the given reason.
 *
 * @param attentionBackend the chosen attention backend
 * @param backward whether the choice is for backward, not forward
 * @param dtype of queries, keys and values
 * @param batch the batch size
 * @param queries queries of the block
 * @param keys keys of the block
 * @param queryHeads heads of queries
 * @param keyHeads heads of keys and values
 * @param headDim elements of a head
 * @param lvxSeconds duration with {@link AttentionBackend#LVX}; 0 if not measured
 * @param cudnnSeconds duration with {@link AttentionBackend#CUDNN}; 0 if not measured
 * @param reason why it was chosen, as text for users
 */
public record AttentionBackendChoice(
    AttentionBackend attentionBackend,
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

  static AttentionBackendChoice read(MemorySegment struct) {
    return new AttentionBackendChoice(
        AttentionBackend.of(lvx_attention_backend_choice.attention_backend(struct)),
        lvx_attention_backend_choice.backward(struct) != 0,
        dtype(
            lvx_attention_backend_choice.dtype_code(struct),
            lvx_attention_backend_choice.dtype_bits(struct)),
        lvx_attention_backend_choice.batch(struct),
        lvx_attention_backend_choice.queries(struct),
        lvx_attention_backend_choice.keys(struct),
        lvx_attention_backend_choice.query_heads(struct),
        lvx_attention_backend_choice.key_heads(struct),
        lvx_attention_backend_choice.head_dim(struct),
        lvx_attention_backend_choice.lvx_seconds(struct),
        lvx_attention_backend_choice.cudnn_seconds(struct),
        lvx_attention_backend_choice.reason(struct).getString(0));
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
