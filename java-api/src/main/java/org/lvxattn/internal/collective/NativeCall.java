// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.collective;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A native collective call; building its arguments may throw. */
@FunctionalInterface
public interface NativeCall {
  /** Returns an lvx_status. */
  int invoke();

  /** Sizes of an attention call, which fills the statistics; null for other calls. */
  default @Nullable CallSizes sizes() {
    return null;
  }

  /** An attention call; its sizes are read only after it succeeded, and only for events. */
  static NativeCall ofAttention(NativeCall call, Supplier<CallSizes> sizes) {
    return new NativeCall() {
      @Override
      public int invoke() {
        return call.invoke();
      }

      @Override
      public CallSizes sizes() {
        return sizes.get();
      }
    };
  }
}
