// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.lvxattn.Pass;
import org.lvxattn.internal.Preconditions;

/**
 * The rates of one rank's machine.
 *
 * @param forwardFlopsPerSecond rate of the forward kernel, floating-point operations per second
 * @param backwardFlopsPerSecond rate of the backward kernel, likewise
 * @param memoryBytesPerSecond rate at which kernels read and write memory; infinite to ignore
 *     memory
 */
public record Machine(
    double forwardFlopsPerSecond, double backwardFlopsPerSecond, double memoryBytesPerSecond) {
  /**
   * Checks the components.
   *
   * @throws IllegalArgumentException if a component is not positive
   */
  public Machine {
    Preconditions.positive(forwardFlopsPerSecond, "forwardFlopsPerSecond");
    Preconditions.positive(backwardFlopsPerSecond, "backwardFlopsPerSecond");
    Preconditions.positive(memoryBytesPerSecond, "memoryBytesPerSecond");
  }

  /** A machine with the given rate in both passes and infinite memory bandwidth. */
  public static Machine ofRate(double flopsPerSecond) {
    return new Machine(flopsPerSecond, flopsPerSecond, Double.POSITIVE_INFINITY);
  }

  /** Duration of a kernel that is bound by compute or by memory. */
  double seconds(double flops, long bytes, Pass pass) {
    double rate = pass == Pass.FORWARD ? forwardFlopsPerSecond : backwardFlopsPerSecond;
    return Math.max(flops / rate, bytes / memoryBytesPerSecond);
  }
}
