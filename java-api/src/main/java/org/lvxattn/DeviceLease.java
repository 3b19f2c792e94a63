// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.internal.Ownership;

/**
 * A thread's ownership of a {@link Device} until it is closed, for try-with-resources:
 *
 * <pre>{@code
 * try (DeviceLease lease = device.acquire()) {
 *   attention.forwardInto(group, inputs, outputs, statistics);
 * }
 * }</pre>
 *
 * <p>Only the thread that got the lease uses it.
 *
 * @since 0.2.0
 */
public final class DeviceLease implements AutoCloseable {
  private final Device device;
  private final Ownership ownership;

  DeviceLease(Device device, Ownership ownership) {
    this.device = device;
    this.ownership = ownership;
  }

  /** The device. */
  public Device device() {
    return device;
  }

  /**
   * Releases the device, which then belongs to no thread or to the next one that waits for it. Does
   * nothing if the thread owned the device already when it got this lease; or if the lease has
   * ended because this was called before or the device was closed, handed over or released.
   *
   * @throws WrongThreadException if another thread owns the device by this lease
   */
  @Override
  public void close() {
    ownership.end(this);
  }

  @Override
  public String toString() {
    return "DeviceLease[" + device + "]";
  }
}
