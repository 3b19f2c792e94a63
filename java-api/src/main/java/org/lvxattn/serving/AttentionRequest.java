// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.serving;

import org.jspecify.annotations.Nullable;
import org.lvxattn.SharedKeyValues;
import org.lvxattn.internal.Preconditions;

/**
 * Some query rows over shared keys and values.
 *
 * @param keyValues with one batch item
 * @param q {@code [rows, heads, headDim]} in row-major order; converted to the dtype of the keys
 * @param visible for each row the ranges of keys that it sees, {@code [rows][ranges][2]}: begin and
 *     end, sorted, not overlapping; null if every row sees every key. A row without ranges sees
 *     nothing
 * @since 0.2.0
 */
@SuppressWarnings("ArrayRecordComponent") // as large as a request; copied once, into the device
public record AttentionRequest(
    SharedKeyValues keyValues, float[] q, int @Nullable [][][] visible) {
  /**
   * Neither array is copied; do not change them until the request is done.
   *
   * @throws NullPointerException if keyValues or q is null
   */
  public AttentionRequest {
    Preconditions.present(keyValues, "keyValues");
    Preconditions.present(q, "q");
  }

  /** A request whose rows see every key. */
  public static AttentionRequest of(SharedKeyValues keyValues, float[] q) {
    return new AttentionRequest(keyValues, q, null);
  }
}
