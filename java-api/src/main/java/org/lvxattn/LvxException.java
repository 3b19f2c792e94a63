// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** A failure that the caller did not cause; {@link #status} is its kind. */
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
