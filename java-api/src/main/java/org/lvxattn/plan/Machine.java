// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/**
 * What one rank computes with.
 *
 * @param forwardFlopsPerSecond rate of forward's kernel, floating-point operations per second
 * @param backwardFlopsPerSecond rate of backward's kernel
 * @param memoryBytesPerSecond rate at which kernels read and write memory; infinite to leave it out
 */
public record Machine(
    double forwardFlopsPerSecond, double backwardFlopsPerSecond, double memoryBytesPerSecond) {
  /**
   * Checks the components.
   *
   * @throws IllegalArgumentException if a component is not positive
   */
  public Machine {
    Checks.positive(forwardFlopsPerSecond, "forwardFlopsPerSecond");
    Checks.positive(backwardFlopsPerSecond, "backwardFlopsPerSecond");
    Checks.positive(memoryBytesPerSecond, "memoryBytesPerSecond");
  }

  /** A machine with that rate in both passes, whose memory never holds it up. */
  public static Machine ofRate(double flopsPerSecond) {
    return new Machine(flopsPerSecond, flopsPerSecond, Double.POSITIVE_INFINITY);
  }

  /** Seconds of a kernel that is held up by its operations or by memory. */
  double seconds(double flops, long bytes, Pass pass) {
    double rate = pass == Pass.FORWARD ? forwardFlopsPerSecond : backwardFlopsPerSecond;
    return Math.max(flops / rate, bytes / memoryBytesPerSecond);
  }
}
