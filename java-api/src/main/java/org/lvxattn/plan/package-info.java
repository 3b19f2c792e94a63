// SPDX-License-Identifier: Apache-2.0

/**
 * Predicts the cost of distributed attention: operations, bytes, messages, memory and time of every
 * {@link org.lvxattn.Strategy}, and which strategy is the cheapest.
 *
 * <p>Bytes and messages are exact if the visibility ranges are given; they equal the counts of
 * {@link org.lvxattn.Statistics}. Time is a model: each rank's computations and transfers run in
 * the order of the schedule, and a transfer takes {@code latency + bytes / bandwidth} on the links
 * between ranks and nodes. The native schedules themselves tell what each rank does: they run over
 * a device and a transport that only record the requests. The same input gives the same bits on
 * every machine. {@link org.lvxattn.group.Calibration} measures the machines and links that a plan
 * is made for.
 */
@NullMarked
package org.lvxattn.plan;

import org.jspecify.annotations.NullMarked;
