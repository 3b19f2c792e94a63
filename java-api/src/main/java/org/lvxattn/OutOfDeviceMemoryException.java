// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * The memory of a device, or its budget, does not suffice. The message says how much was requested
 * and how much is in use. All objects stay usable: close some and try again.
 */
public final class OutOfDeviceMemoryException extends LvxException {
  private static final long serialVersionUID = 1;

  OutOfDeviceMemoryException(String message) {
    super(Status.OUT_OF_MEMORY, message);
  }
}
