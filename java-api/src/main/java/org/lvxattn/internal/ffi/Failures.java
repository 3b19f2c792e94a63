// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.ffi;

import org.lvxattn.internal.Hook;

/** Creates the exceptions of the public API, which internal packages cannot name. */
public interface Failures {
  /** Installed by the package org.lvxattn. */
  Hook<Failures> HOOK = new Hook<>();

  /**
   * The exception for a native call that did not return LVX_OK.
   *
   * @param status an lvx_status
   * @param message what was wrong and what was expected
   * @param rank the peer at fault, or -1
   * @param sequence number of the group's operation
   * @param operation the operation that this rank was in
   */
  RuntimeException of(int status, String message, int rank, long sequence, String operation);

  /** The exception for a rank that did not arrive at a rendezvous in time. */
  RuntimeException timedOut(String message, int rank);

  /** The exception for a thread that was interrupted while it waited for other ranks. */
  RuntimeException interrupted(String message);

  /** The exception for ranks that do not fit together. */
  RuntimeException joinFailed(String message, int rank);

  /** As {@link #timedOut}, of the installed implementation. */
  static RuntimeException timeout(String message, int rank) {
    return HOOK.get().timedOut(message, rank);
  }

  /** As {@link #interrupted}, of the installed implementation, with a cause. */
  static RuntimeException interruption(String message, InterruptedException cause) {
    RuntimeException failure = HOOK.get().interrupted(message);
    failure.initCause(cause);
    return failure;
  }

  /** As {@link #joinFailed}, of the installed implementation. */
  static RuntimeException join(String message, int rank) {
    return HOOK.get().joinFailed(message, rank);
  }
}
