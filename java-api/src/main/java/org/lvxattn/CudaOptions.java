// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import org.lvxattn.internal.Preconditions;

/**
 * Options of a CUDA device.
 *
 * <p>Immutable. Created by {@link #builder} or {@link #defaults}.
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

  /** GPU 0, this library's kernels, a stream that the device creates, no memory limit. */
  public static CudaOptions defaults() {
    return DEFAULTS;
  }

  /** A builder that starts from {@link #defaults}. */
  public static Builder builder() {
    return new Builder();
  }

  /** A builder that starts from these settings. */
  public Builder toBuilder() {
    return new Builder()
        .ordinal(ordinal).attentionBackend(attentionBackend).memoryBudget(memoryBudget).stream(
            stream);
  }

  /** Index of the GPU in the CUDA runtime, from 0. */
  public int ordinal() {
    return ordinal;
  }

  /** The attention backend. */
  public AttentionBackend attentionBackend() {
    return attentionBackend;
  }

  /** The most bytes in use at any time; 0 for no limit. */
  public long memoryBudget() {
    return memoryBudget;
  }

  /** The caller's stream; {@link MemorySegment#NULL} if the device creates one. */
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
     * Index of the GPU in the CUDA runtime; 0 if not set.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public Builder ordinal(int ordinal) {
      Preconditions.require(ordinal >= 0, "ordinal", ordinal, "0 or more");
      this.ordinal = ordinal;
      return this;
    }

    /**
     * The attention backend; {@link AttentionBackend#LVX} if not set.
     *
     * @throws NullPointerException if attentionBackend is null
     */
    public Builder attentionBackend(AttentionBackend attentionBackend) {
      this.attentionBackend = Preconditions.present(attentionBackend, "attentionBackend");
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

    /**
     * Enqueues all work on the caller's {@code cudaStream_t} of that GPU, for instance another
     * framework's stream. It must outlive the device.
     *
     * @param stream its address; {@link MemorySegment#NULL} (default) if the device creates one
     * @throws NullPointerException if stream is null
     * @throws IllegalArgumentException if it is a heap segment
     */
    public Builder stream(MemorySegment stream) {
      Preconditions.require(
          Preconditions.present(stream, "stream").isNative(),
          "stream lies on the Java heap; a native address, a cudaStream_t, was expected");
      this.stream = stream;
      return this;
    }

    /** Builds the options. */
    public CudaOptions build() {
      return new CudaOptions(this);
    }
  }
}
