// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * A way for messages between ranks: one takes {@code latencySeconds + bytes / bytesPerSecond}, and
 * the link carries one at a time each way.
 *
 * @param bytesPerSecond in one direction; positive, infinite for a link that costs nothing
 * @param latencySeconds from the end of a message's sending to its arrival; finite, 0 or more
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
    if (!(bytesPerSecond > 0)) {
      throw new IllegalArgumentException(
          "bytesPerSecond is " + bytesPerSecond + "; a positive number was expected");
    }
    if (!(latencySeconds >= 0 && latencySeconds < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "latencySeconds is " + latencySeconds + "; 0 or more was expected");
    }
  }
}
