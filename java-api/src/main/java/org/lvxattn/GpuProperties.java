// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * Properties of a GPU.
 *
 * @param computeMajor compute capability, before the dot
 * @param computeMinor compute capability, behind it
 * @param multiprocessors number of streaming multiprocessors
 * @param memoryTotal bytes of the GPU
 * @param memoryFree bytes that were free when this was queried
 */
public record GpuProperties(
    int computeMajor, int computeMinor, int multiprocessors, long memoryTotal, long memoryFree) {}
