// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/**
 * A way for messages: one takes {@code latencySeconds + bytes / bytesPerSecond}.
 *
 * @param bytesPerSecond in one direction; positive, infinite for a link that costs nothing
 * @param latencySeconds from the start of a message to the arrival of its first byte; 0 or more
 */
public record Link(double bytesPerSecond, double latencySeconds) {
  /** Costs nothing. */
  public static final Link INSTANT = new Link(Double.POSITIVE_INFINITY, 0);

  /**
   * Checks the components.
   *
   * @throws IllegalArgumentException if a component is out of range
   */
  public Link {
    Checks.positive(bytesPerSecond, "bytesPerSecond");
    Checks.require(
        latencySeconds >= 0 && latencySeconds < Double.POSITIVE_INFINITY,
        "latencySeconds",
        latencySeconds,
        "0 or more");
  }

  /** Seconds that a message occupies the link. */
  double occupancy(long bytes) {
    return bytes / bytesPerSecond;
  }
}
