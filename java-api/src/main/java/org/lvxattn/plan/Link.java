// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/**
 * A link between ranks. A message takes {@code latencySeconds + bytes / bytesPerSecond}, and the
 * link carries one message at a time in each direction.
 *
 * @param bytesPerSecond bandwidth in one direction; positive and at most 10^18, or infinite if
 *     transfers take no time
 * @param latencySeconds time from the end of sending a message to its arrival; 0 to 10^18
 */
public record Link(double bytesPerSecond, double latencySeconds) {
  /** Messages take no time. */
  public static final Link INSTANT = new Link(Double.POSITIVE_INFINITY, 0);

  private static final double MOST = 1e18;

  /**
   * Checks the components.
   *
   * @throws IllegalArgumentException if a component is out of range
   */
  public Link {
    boolean instant = bytesPerSecond == Double.POSITIVE_INFINITY;
    if (!(instant || (bytesPerSecond > 0 && bytesPerSecond <= MOST))) {
      throw new IllegalArgumentException(
          "bytesPerSecond is "
              + bytesPerSecond
              + "; a positive number up to 10^18, or infinity, was expected");
    }
    if (!(latencySeconds >= 0 && latencySeconds <= MOST)) {
      throw new IllegalArgumentException(
          "latencySeconds is " + latencySeconds + "; 0 to 10^18 was expected");
    }
  }
}
