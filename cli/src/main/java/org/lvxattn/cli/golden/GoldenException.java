// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import java.io.Serial;

/** A file that is no golden case, or one that contradicts itself. */
public final class GoldenException extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;

  GoldenException(String message) {
    super(message);
  }
}
