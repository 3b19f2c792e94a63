// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * A device failed, for instance because a kernel read outside of its memory or the hardware broke.
 * Nothing that was in its memory can be used any more. A GPU is lost to the whole process then:
 * close what is open, and go on in a new process.
 */
public final class DeviceFailedException extends LvxException {
  private static final long serialVersionUID = 1;

  DeviceFailedException(String message) {
    super(Status.DEVICE_ERROR, message);
  }
}
