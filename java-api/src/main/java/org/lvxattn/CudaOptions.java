// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import org.lvxattn.internal.Preconditions;

/**
 * Options of a CUDA device.
 *
 * <p>Immutable; starts from {@link #builder} or {@link #defaults}.
 */
public final class CudaOptions {
  private static final CudaOptions DEFAULTS = builder().build();

  private final int ordinal;
  private final AttentionBackend attentionBackend;
  private final long memoryBudget;
  private final MemorySegment stream;

  private CudaOptions(Builder builder) {
    this.ordinal = builder.ordinal;
    this.attentionBackend = builder.attentionBackend;
    this.memoryBudget = builder.memoryBudget;
    this.stream = builder.stream;
  }

  /** The first GPU, the library's own kernels, a stream of the device's own, no limit of memory. */
  public static CudaOptions defaults() {
    return DEFAULTS;
  }

  /** Starts with {@link #defaults}. */
  public static Builder builder() {
    return new Builder();
  }

  /** Starts with these settings. */
  public Builder toBuilder() {
    return new Builder()
        .ordinal(ordinal).attentionBackend(attentionBackend).memoryBudget(memoryBudget).stream(
            stream);
  }

  /** The GPU, as the CUDA runtime counts them, from 0. */
  public int ordinal() {
    return ordinal;
  }

  /** What computes attention. */
  public AttentionBackend attentionBackend() {
    return attentionBackend;
  }

  /** The most bytes in use at any time; 0 for no limit. */
  public long memoryBudget() {
    return memoryBudget;
  }

  /** The caller's stream; {@link MemorySegment#NULL} for one of the device's own. */
  public MemorySegment stream() {
    return stream;
  }

  @Override
  public String toString() {
    return "CudaOptions[ordinal="
        + ordinal
        + ", attentionBackend="
        + attentionBackend
        + ", memoryBudget="
        + memoryBudget
        + ", stream="
        + stream
        + "]";
  }

  /** Sets up {@link CudaOptions}. */
  public static final class Builder {
    private int ordinal;
    private AttentionBackend attentionBackend = AttentionBackend.LVX;
    private long memoryBudget;
    private MemorySegment stream = MemorySegment.NULL;

    private Builder() {}

    /**
     * The GPU, as the CUDA runtime counts them; 0 if not set.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public Builder ordinal(int ordinal) {
      Preconditions.require(ordinal >= 0, "ordinal", ordinal, "0 or more");
      this.ordinal = ordinal;
      return this;
    }

    /**
     * What computes attention; {@link AttentionBackend#LVX} if not set.
     *
     * @throws NullPointerException if attentionBackend is null
     */
    public Builder attentionBackend(AttentionBackend attentionBackend) {
      this.attentionBackend = Preconditions.present(attentionBackend, "attentionBackend");
      return this;
    }

    /**
     * The bytes that tensors and workspaces of the device may hold together.
     *
     * @param memoryBudget bytes; 0, as if not set, for no limit
     * @throws IllegalArgumentException if it is negative
     */
    public Builder memoryBudget(long memoryBudget) {
      Preconditions.require(
          memoryBudget >= 0, "memoryBudget", memoryBudget, "a number of bytes, or 0 for no limit,");
      this.memoryBudget = memoryBudget;
      return this;
    }

    /**
     * The caller's {@code cudaStream_t} of that GPU, on which all work is enqueued, for instance
     * another framework's; it must outlive the device.
     *
     * @param stream its address; {@link MemorySegment#NULL}, as if not set, for one that the device
     *     makes
     * @throws NullPointerException if stream is null
     * @throws IllegalArgumentException if it is no address
     */
    public Builder stream(MemorySegment stream) {
      Preconditions.require(
          Preconditions.present(stream, "stream").isNative(),
          "stream lies on the Java heap; the address that a cudaStream_t is was expected");
      this.stream = stream;
      return this;
    }

    /** The options that were described. */
    public CudaOptions build() {
      return new CudaOptions(this);
    }
  }
}
