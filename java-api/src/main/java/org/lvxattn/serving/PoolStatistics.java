// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.serving;

/**
 * What a pool has done so far.
 *
 * @param submitted requests that were accepted
 * @param rejected requests that were refused because the queue was full
 * @param completed requests with a result
 * @param failed requests that ended with an exception
 * @param cancelled requests that were cancelled while they waited
 * @param queued requests that wait now
 * @param batches calls of attention
 * @param rows query rows that were computed
 * @param waitSeconds the sum of the times that requests waited before their batch began
 * @param computeSeconds the sum of the durations of the batches
 * @since 0.2.0
 */
public record PoolStatistics(
    long submitted,
    long rejected,
    long completed,
    long failed,
    long cancelled,
    int queued,
    long batches,
    long rows,
    double waitSeconds,
    double computeSeconds) {
  /** Rows of a batch on average; 0 before the first one. */
  public double rowsPerBatch() {
    return batches == 0 ? 0 : (double) rows / (double) batches;
  }
}
