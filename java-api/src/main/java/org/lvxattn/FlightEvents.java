// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;

/**
 * The way to JDK Flight Recorder, which a run-time image may lack. Costs a look at a flag, and
 * allocates nothing, where nothing is recorded.
 */
final class FlightEvents {
  private static final boolean AVAILABLE = ModuleLayer.boot().findModule("jdk.jfr").isPresent();

  private FlightEvents() {}

  /**
   * Before a collective call.
   *
   * @return for {@link #end}; null if nothing is recorded
   */
  static @Nullable OperationEvent begin(Group group) {
    if (!AVAILABLE || !OperationEvent.recorded()) {
      return null;
    }
    FlightRecord newest = group.newestRecord();
    return OperationEvent.begun(newest == null ? 0 : newest.sequence());
  }

  /** After the call, however it ended. */
  static void end(@Nullable OperationEvent event, Group group) {
    if (event != null) {
      FlightRecord newest = group.newestRecord();
      if (newest != null) {
        event.finish(group, newest);
      }
    }
  }
}
