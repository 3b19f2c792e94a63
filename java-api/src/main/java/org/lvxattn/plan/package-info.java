// SPDX-License-Identifier: Apache-2.0

/**
 * What a distributed attention costs before it runs: operations, bytes, messages, memory and time
 * of every {@link org.lvxattn.Strategy}, and which one is the cheapest.
 *
 * <p>Bytes and messages are exact where the visibility ranges are given; they equal what {@link
 * org.lvxattn.Statistics} counts. Time is a model: each rank's computations and transfers in the
 * order of the schedule, transfers taking {@code latency + bytes / bandwidth} on the links between
 * ranks and nodes. Nothing here calls native code but {@link org.lvxattn.plan.Calibration}, and the
 * same input gives the same bits on every machine.
 */
@NullMarked
package org.lvxattn.plan;

import org.jspecify.annotations.NullMarked;
