// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * Properties of a GPU.
 *
 * @param computeMajor major number of the compute capability
 * @param computeMinor minor number of the compute capability
 * @param multiprocessors number of streaming multiprocessors
 * @param memoryTotal bytes of the GPU's memory
 * @param memoryFree bytes that were free at the time of the query
 */
public record GpuProperties(
    int computeMajor, int computeMinor, int multiprocessors, long memoryTotal, long memoryFree) {}
