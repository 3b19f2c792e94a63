// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * A device failed, for instance because a kernel read outside of its memory or the hardware broke.
 * Its memory is lost. The process cannot use a GPU any more: close what is open, and continue in a
 * new process.
 */
public final class DeviceFailedException extends LvxException {
  private static final long serialVersionUID = 1;

  DeviceFailedException(String message) {
    super(Status.DEVICE_ERROR, message);
  }
}
