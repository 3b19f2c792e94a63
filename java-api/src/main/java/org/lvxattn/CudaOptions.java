// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;

/**
 * How a CUDA device is made.
 *
 * @param ordinal the GPU, as the CUDA runtime counts them, from 0
 * @param engine what computes attention
 * @param memoryBudget bytes that tensors and workspaces of the device may hold together, or 0 for
 *     no limit
 * @param stream the caller's {@code cudaStream_t} of that GPU, on which all work is ordered, for
 *     instance that of the framework whose tensors are computed with; it must outlive the device.
 *     {@link MemorySegment#NULL}: the device makes one of its own
 */
public record CudaOptions(int ordinal, Engine engine, long memoryBudget, MemorySegment stream) {
  /**
   * Checks the components.
   *
   * @throws NullPointerException if engine or stream is null
   * @throws IllegalArgumentException if one is out of range, or stream is no address
   */
  public CudaOptions {
    if (ordinal < 0) {
      throw new IllegalArgumentException("ordinal is " + ordinal + "; 0 or more was expected");
    }
    Arguments.present(engine, "engine");
    if (memoryBudget < 0) {
      throw new IllegalArgumentException(
          "memoryBudget is "
              + memoryBudget
              + "; a number of bytes, or 0 for no limit, was expected");
    }
    if (!Arguments.present(stream, "stream").isNative()) {
      throw new IllegalArgumentException(
          "stream lies on the Java heap; the address that a cudaStream_t is was expected");
    }
  }

  /** The library's own kernels, a stream of the device's own, no limit of memory. */
  public static CudaOptions of(int ordinal) {
    return new CudaOptions(ordinal, Engine.LVX, 0, MemorySegment.NULL);
  }

  /** These options with another engine. */
  public CudaOptions withEngine(Engine engine) {
    return new CudaOptions(ordinal, engine, memoryBudget, stream);
  }

  /** These options with another budget, in bytes. */
  public CudaOptions withMemoryBudget(long memoryBudget) {
    return new CudaOptions(ordinal, engine, memoryBudget, stream);
  }

  /** These options with a stream of the caller's. */
  public CudaOptions withStream(MemorySegment stream) {
    return new CudaOptions(ordinal, engine, memoryBudget, stream);
  }
}
