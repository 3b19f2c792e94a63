// SPDX-License-Identifier: Apache-2.0

/**
 * Exact distributed cross-attention: long visual keys and values stay on the ranks that hold them,
 * the much shorter queries travel.
 *
 * <p>A {@link org.lvxattn.Device} computes and owns memory, a {@link org.lvxattn.Tensor} is memory
 * with a shape, a {@link org.lvxattn.Group} is one rank's part among the ranks that compute
 * together, and {@link org.lvxattn.CrossAttention} is what they compute. All four are confined: a
 * device and everything made on it is used by the thread that made the device, until {@link
 * org.lvxattn.Device#handOver} names another one.
 *
 * <p>Mistakes end in exceptions that name the argument and what was expected of it: {@link
 * java.lang.NullPointerException}, {@link java.lang.IllegalArgumentException}, {@link
 * java.lang.IllegalStateException} (closed, still in use, failed) and {@link
 * java.lang.WrongThreadException}. What goes wrong without the caller's doing is an {@link
 * org.lvxattn.LvxException}.
 */
@NullMarked
package org.lvxattn;

import org.jspecify.annotations.NullMarked;
