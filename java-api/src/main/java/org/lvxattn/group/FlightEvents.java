// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import jdk.jfr.FlightRecorder;
import org.jspecify.annotations.Nullable;

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
    if (!AVAILABLE || !Recorder.started() || !OperationEvent.recorded()) {
      return null;
    }
    FlightRecord newest = group.newestRecord();
    return OperationEvent.begun(newest == null ? 0 : newest.sequence());
  }

  /**
   * Tells whether this JVM has ever recorded. Until then the class of the event is not touched:
   * that would load the flight recorder, a fifth of the time to the first result of a small
   * program.
   */
  private static final class Recorder {
    static boolean started() {
      return FlightRecorder.isInitialized();
    }
  }

  /** Ends the event after the call, whether or not it succeeded. */
  static void end(@Nullable OperationEvent event, NativeGroup group) {
    if (event != null) {
      FlightRecord newest = group.newestRecord();
      if (newest != null) {
        event.finish(group, newest);
      }
    }
  }
}
