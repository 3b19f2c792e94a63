// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.collective;

import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One rank's native group, as collective calls need it. */
public interface Collective {
  /** Checks that it is open and owned by this thread. */
  void requireUsable();

  /** The native group; check {@link #requireUsable} first. */
  long handle();

  /** The struct lvx_attention_options of this rank, filled. */
  MemorySegment options(double scale, int strategy);

  /** The struct lvx_statistics of this rank, for a call to fill. */
  MemorySegment statistics();

  /**
   * Runs the preparation of a collective call. If that throws, it declines the call, so that the
   * peers fail at once instead of waiting.
   *
   * @param operation an lvx_operation, which is sent to the peers
   */
  <T extends @Nullable Object> T prepare(int operation, Supplier<T> preparation);

  /**
   * Makes a collective call. Declines it if its arguments are wrong; throws what the native library
   * reports.
   *
   * @param operation an lvx_operation, which is sent to the peers
   */
  void call(int operation, NativeCall call);

  /**
   * Declines a collective call: tells the peers that this rank will not make it.
   *
   * @param operation an lvx_operation
   * @param mistake why; it is returned, for the caller to throw
   */
  <E extends Throwable> E decline(int operation, E mistake);
}
