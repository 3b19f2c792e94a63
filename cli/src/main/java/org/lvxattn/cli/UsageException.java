// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.Serial;

/** The request cannot be served: wrong arguments, or something is missing. Exit code 2. */
public final class UsageException extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;

  public UsageException(String message) {
    super(message);
  }

  public UsageException(String message, Throwable cause) {
    super(message, cause);
  }
}
