// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * How a CPU device is made.
 *
 * <p>Large blocks that were released stay with the process, up to an eighth of the machine's
 * memory, for whoever next allocates as much; the system may take their pages at any time (on Linux
 * {@code MADV_FREE}). They count as nobody's memory, and end with the last device.
 *
 * @param threads threads that compute, the calling one among them: 1 to 1024, or 0 for as many as
 *     the process may use
 * @param memoryBudget bytes that tensors and workspaces of the device may hold together, or 0 for
 *     no limit
 */
public record CpuOptions(int threads, long memoryBudget) {
  private static final int MAX_THREADS = 1024;

  /**
   * Checks the components.
   *
   * @throws IllegalArgumentException if one is out of range
   */
  public CpuOptions {
    if (threads < 0 || threads > MAX_THREADS) {
      throw new IllegalArgumentException(
          "threads is " + threads + "; 1 to " + MAX_THREADS + ", or 0 for all, was expected");
    }
    if (memoryBudget < 0) {
      throw new IllegalArgumentException(
          "memoryBudget is "
              + memoryBudget
              + "; a number of bytes, or 0 for no limit, was expected");
    }
  }

  /** All threads that the process may use, no limit of memory. */
  public static CpuOptions defaults() {
    return new CpuOptions(0, 0);
  }

  /** These options with another number of threads. */
  public CpuOptions withThreads(int threads) {
    return new CpuOptions(threads, memoryBudget);
  }

  /** These options with another budget, in bytes. */
  public CpuOptions withMemoryBudget(long memoryBudget) {
    return new CpuOptions(threads, memoryBudget);
  }
}
