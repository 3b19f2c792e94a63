// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.io.Serial;

/** A file is not a golden case, or contradicts itself. */
public final class GoldenException extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;

  GoldenException(String message) {
    super(message);
  }
}
