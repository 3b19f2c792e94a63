// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.io.Serial;

/**
 * A valid request that this device or strategy does not support. Another strategy or another number
 * of ranks may support it. No data has moved, so the group stays usable.
 */
public final class UnsupportedRequestException extends IllegalArgumentException {
  @Serial private static final long serialVersionUID = 1;

  UnsupportedRequestException(String message) {
    super(message);
  }
}
