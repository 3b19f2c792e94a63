// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.io.IOException;
import java.io.Serial;
import java.nio.file.Path;

/**
 * A file is not a well-formed safetensors file; the message says which file, where, and what was
 * expected.
 */
public final class SafetensorsException extends IOException {
  @Serial private static final long serialVersionUID = 1L;

  private final long offset;

  SafetensorsException(Path file, long offset, String what) {
    super(file + ", byte " + offset + ": " + what);
    this.offset = offset;
  }

  /** Where in the file the fault was found, in bytes from its start. */
  public long offset() {
    return offset;
  }
}
