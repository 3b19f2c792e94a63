// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.collective;

import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One rank's part in a native group, as calls that all ranks make together need it. */
public interface Collective {
  /** Checks liveness and thread. */
  void requireUsable();

  /** The native group; check {@link #requireUsable} first. */
  long handle();

  /** The struct lvx_attention_options of this rank, filled. */
  MemorySegment options(double scale, int strategy);

  /** The struct lvx_statistics of this rank, for a call to fill. */
  MemorySegment statistics();

  /**
   * Does what comes before a call that all ranks make. Where that throws, the call is declined, so
   * that the peers are told and do not wait.
   *
   * @param operation an lvx_operation, which the peers are told
   */
  <T extends @Nullable Object> T prepare(int operation, Supplier<T> preparation);

  /**
   * Makes a call that all ranks make. Where its arguments are wrong it is declined; what the native
   * library reports is thrown.
   *
   * @param operation an lvx_operation, which the peers are told
   */
  void call(int operation, NativeCall call);

  /**
   * Tells the peers that this rank will not make a call that they make.
   *
   * @param operation an lvx_operation
   * @param mistake why; returned, for the caller to throw
   */
  <E extends Throwable> E decline(int operation, E mistake);
}
