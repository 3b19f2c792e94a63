// SPDX-License-Identifier: Apache-2.0

/**
 * What a distributed attention costs before it runs: operations, bytes, messages, memory and time
 * of every {@link org.lvxattn.Strategy}, and which one is the cheapest.
 *
 * <p>Bytes and messages are exact where the visibility ranges are given; they equal what {@link
 * org.lvxattn.Statistics} counts. Time is a model: each rank's computations and transfers in the
 * order of the schedule, transfers taking {@code latency + bytes / bandwidth} on the links between
 * ranks and nodes. What each rank does is read from the native schedules, which run over a device
 * and a transport that only write down what they are asked for; the same input gives the same bits
 * on every machine. {@link org.lvxattn.group.Calibration} measures the machines and links that a
 * plan is made for.
 */
@NullMarked
package org.lvxattn.plan;

import org.jspecify.annotations.NullMarked;
