// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * What is known of a GPU.
 *
 * @param computeMajor compute capability, before the dot
 * @param computeMinor compute capability, behind it
 * @param multiprocessors number of streaming multiprocessors
 * @param memoryTotal bytes, whoever holds them
 * @param memoryFree bytes of them that nobody held when this was asked
 */
public record GpuProperties(
    int computeMajor, int computeMinor, int multiprocessors, long memoryTotal, long memoryFree) {}
