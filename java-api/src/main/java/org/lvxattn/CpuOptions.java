// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.internal.Preconditions;

/**
 * Options of a CPU device.
 *
 * <p>A device has as many threads as the JVM counts processors, unless the options say otherwise:
 * {@link Runtime#availableProcessors} heeds the limits of a container and {@code
 * -XX:ActiveProcessorCount}.
 *
 * <p>The process caches released large blocks, up to an eighth of the machine's memory, for the
 * next allocation of the same size. The system may reclaim their pages at any time (on Linux {@code
 * MADV_FREE}). They do not count against any device's budget, and are freed with the last device.
 *
 * <p>Immutable. Created by {@link #builder} or {@link #defaults}.
 */
public final class CpuOptions {
  private static final int MAX_THREADS = 1024;
  private static final CpuOptions DEFAULTS = builder().build();

  private final int threads;
  private final long memoryBudget;

  private CpuOptions(Builder builder) {
    this.threads = builder.threads;
    this.memoryBudget = builder.memoryBudget;
  }

  /** A thread for each processor that the JVM counts, no memory limit. */
  public static CpuOptions defaults() {
    return DEFAULTS;
  }

  /** A builder that starts from {@link #defaults}. */
  public static Builder builder() {
    return new Builder();
  }

  /** A builder that starts from these settings. */
  public Builder toBuilder() {
    return new Builder().threads(threads).memoryBudget(memoryBudget);
  }

  /** Number of compute threads; 0 for one for each processor that the JVM counts. */
  public int threads() {
    return threads;
  }

  /** The number of threads of a device that is opened now. */
  int threadsToStart() {
    return threads == 0
        ? Math.min(Runtime.getRuntime().availableProcessors(), MAX_THREADS)
        : threads;
  }

  /** The most bytes in use at any time; 0 for no limit. */
  public long memoryBudget() {
    return memoryBudget;
  }

  @Override
  public String toString() {
    return "CpuOptions[threads=" + threads + ", memoryBudget=" + memoryBudget + "]";
  }

  /** Sets up {@link CpuOptions}. */
  public static final class Builder {
    private int threads;
    private long memoryBudget;

    private Builder() {}

    /**
     * Sets the number of compute threads, including the calling thread.
     *
     * @param threads 1 to 1024; 0 (default) for {@link Runtime#availableProcessors} when the device
     *     is opened
     * @throws IllegalArgumentException if it is out of range
     */
    public Builder threads(int threads) {
      Preconditions.require(
          threads >= 0 && threads <= MAX_THREADS,
          "threads",
          threads,
          "1 to " + MAX_THREADS + ", or 0 for all,");
      this.threads = threads;
      return this;
    }

    /**
     * Limits the bytes that tensors and workspaces of the device hold together.
     *
     * @param memoryBudget bytes; 0 (default) for no limit
     * @throws IllegalArgumentException if it is negative
     */
    public Builder memoryBudget(long memoryBudget) {
      Preconditions.require(
          memoryBudget >= 0, "memoryBudget", memoryBudget, "a number of bytes, or 0 for no limit,");
      this.memoryBudget = memoryBudget;
      return this;
    }

    /** Builds the options. */
    public CpuOptions build() {
      return new CpuOptions(this);
    }
  }
}
