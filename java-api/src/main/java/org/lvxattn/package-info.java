// SPDX-License-Identifier: Apache-2.0

/**
 * Exact distributed cross-attention: long visual keys and values stay on the ranks that hold them,
 * and the much shorter queries travel.
 *
 * <p>A {@link org.lvxattn.Device} computes and owns memory, a {@link org.lvxattn.Tensor} is memory
 * with a shape, a {@link org.lvxattn.Communicator} is one rank's part in a group of ranks that
 * compute together ({@link org.lvxattn.group.Group} makes them), and {@link
 * org.lvxattn.CrossAttention} is what they compute. The first three are thread-confined: a device
 * and everything on it belong to the thread that opened the device, until {@link
 * org.lvxattn.Device#release} leaves them to the next thread that acquires the device, or {@link
 * org.lvxattn.Device#handOver} names one.
 *
 * <p>Wrong arguments throw exceptions that name the argument and what was expected: {@link
 * java.lang.NullPointerException}, {@link java.lang.IllegalArgumentException}, {@link
 * java.lang.IllegalStateException} (closed, still in use, failed) and {@link
 * java.lang.WrongThreadException}. Failures that the caller did not cause are an {@link
 * org.lvxattn.LvxException}.
 */
@NullMarked
package org.lvxattn;

import org.jspecify.annotations.NullMarked;
