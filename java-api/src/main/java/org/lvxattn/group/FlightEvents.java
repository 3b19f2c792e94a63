// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.collective.NativeCall;

/**
 * Access to JDK Flight Recorder, which a run-time image may lack. If no recording runs, a call
 * checks a flag and allocates nothing.
 */
final class FlightEvents {
  private static final boolean AVAILABLE = ModuleLayer.boot().findModule("jdk.jfr").isPresent();

  private FlightEvents() {}

  /**
   * Begins an event before a collective call.
   *
   * @return for {@link #end}; null if nothing is recorded
   */
  static @Nullable OperationEvent begin(NativeGroup group) {
    if (!AVAILABLE || !OperationEvent.recorded()) {
      return null;
    }
    FlightRecord newest = group.newestRecord();
    return OperationEvent.begun(newest == null ? 0 : newest.sequence());
  }

  /**
   * Ends the event after the call.
   *
   * @param succeeded the call, or null if it failed
   */
  static void end(
      @Nullable OperationEvent event, NativeGroup group, @Nullable NativeCall succeeded) {
    if (event != null) {
      FlightRecord newest = group.newestRecord();
      if (newest != null) {
        event.finish(group, newest, succeeded == null ? null : succeeded.sizes());
      }
    }
  }
}
