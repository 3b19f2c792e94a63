// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.Serial;
import org.jspecify.annotations.Nullable;

/** The native library cannot be used in this process; the message says why and what to do. */
public final class NativeLibraryError extends LinkageError {
  @Serial private static final long serialVersionUID = 1L;

  NativeLibraryError(String message, @Nullable Throwable cause) {
    super(message, cause);
  }

  NativeLibraryError(String message) {
    this(message, null);
  }
}
