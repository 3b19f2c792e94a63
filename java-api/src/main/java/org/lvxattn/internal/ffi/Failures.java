// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.ffi;

import org.lvxattn.internal.Hook;

/** Makes the exceptions of the public API, which its internals cannot name. */
public interface Failures {
  /** Installed by the package org.lvxattn. */
  Hook<Failures> HOOK = new Hook<>();

  /**
   * Of a native call that did not return LVX_OK.
   *
   * @param status an lvx_status
   * @param message what was wrong and what was expected
   * @param rank the peer at fault, or -1
   * @param sequence number of the group's operation
   * @param operation the operation that this rank was in
   */
  RuntimeException of(int status, String message, int rank, long sequence, String operation);

  /** A rank that did not come to a rendezvous in time. */
  RuntimeException timedOut(String message, int rank);

  /** Ranks that do not fit together. */
  RuntimeException joinFailed(String message, int rank);

  /** As {@link #timedOut}, by what is installed. */
  static RuntimeException timeout(String message, int rank) {
    return HOOK.get().timedOut(message, rank);
  }

  /** As {@link #joinFailed}, by what is installed. */
  static RuntimeException join(String message, int rank) {
    return HOOK.get().joinFailed(message, rank);
  }
}
