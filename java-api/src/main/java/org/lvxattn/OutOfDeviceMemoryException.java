// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * The memory of a device, or the budget it was given, does not suffice. The message says what was
 * asked for and what is held. Everything stays usable: close something and try again.
 */
public final class OutOfDeviceMemoryException extends LvxException {
  private static final long serialVersionUID = 1;

  OutOfDeviceMemoryException(String message) {
    super(Status.OUT_OF_MEMORY, message);
  }
}
