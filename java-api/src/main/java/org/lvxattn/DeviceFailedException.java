// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * A device failed, for instance because a kernel read outside of its memory or the hardware broke.
 * The contents of its memory are lost, and this process cannot use a GPU any more. Close all open
 * objects and continue in a new process.
 */
public final class DeviceFailedException extends LvxException {
  private static final long serialVersionUID = 1;

  DeviceFailedException(String message) {
    super(Status.DEVICE_ERROR, message);
  }
}
