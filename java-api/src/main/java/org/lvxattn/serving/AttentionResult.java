// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.serving;

/**
 * The result of a request.
 *
 * @param output {@code [rows, heads, headDim]} in row-major order; 0 where a row sees nothing
 * @param logSumExp {@code [heads, rows]}, natural logarithm; -infinity where a row sees nothing
 * @since 0.2.0
 */
@SuppressWarnings("ArrayRecordComponent") // belongs to the caller alone
public record AttentionResult(float[] output, float[] logSumExp) {}
