// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/**
 * What one rank sends: payload, as {@link org.lvxattn.Statistics} counts it.
 *
 * @param bytes sent to other ranks
 * @param messages sent to other ranks
 * @param interNodeBytes the part of bytes that goes to other nodes
 */
public record Traffic(long bytes, long messages, long interNodeBytes) {
  static final Traffic NONE = new Traffic(0, 0, 0);

  Traffic plus(Traffic other) {
    return new Traffic(
        bytes + other.bytes, messages + other.messages, interNodeBytes + other.interNodeBytes);
  }
}
