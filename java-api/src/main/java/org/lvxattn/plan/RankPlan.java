// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/**
 * The cost of a call for one rank. Bytes and messages are payload, as in {@link
 * org.lvxattn.Statistics}.
 *
 * @param bytes bytes sent to other ranks
 * @param messages messages sent to other ranks
 * @param interNodeBytes the part of bytes that is sent to other nodes
 * @param peakBytes peak memory in addition to the caller's tensors; includes the kernels' scratch
 *     if the planner knows the device, see {@link Planner#withScratch}
 * @param computeSeconds time spent computing
 */
public record RankPlan(
    long bytes, long messages, long interNodeBytes, long peakBytes, double computeSeconds) {
  /** The cost of two calls, one after the other. */
  RankPlan plus(RankPlan later) {
    return new RankPlan(
        bytes + later.bytes,
        messages + later.messages,
        interNodeBytes + later.interNodeBytes,
        Math.max(peakBytes, later.peakBytes),
        computeSeconds + later.computeSeconds);
  }
}
