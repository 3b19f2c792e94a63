// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** Something went wrong that was no mistake of the caller; {@link #status} says what kind. */
public class LvxException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final Status status;

  LvxException(Status status, String message) {
    super(message);
    this.status = status;
  }

  /** What kind of failure this is. */
  public final Status status() {
    return status;
  }
}
