// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/**
 * What a call costs one rank. Bytes and messages are payload, as {@link org.lvxattn.Statistics}
 * counts them.
 *
 * @param bytes sent to other ranks
 * @param messages sent to other ranks
 * @param interNodeBytes the part of bytes that goes to other nodes
 * @param peakBytes memory beside the caller's tensors and the kernels' own scratch
 * @param computeSeconds spent computing
 */
public record RankPlan(
    long bytes, long messages, long interNodeBytes, long peakBytes, double computeSeconds) {
  /** The cost of two calls after each other. */
  RankPlan plus(RankPlan later) {
    return new RankPlan(
        bytes + later.bytes,
        messages + later.messages,
        interNodeBytes + later.interNodeBytes,
        Math.max(peakBytes, later.peakBytes),
        computeSeconds + later.computeSeconds);
  }
}
