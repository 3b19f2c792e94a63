// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.lang.foreign.MemorySegment;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Status;
import org.lvxattn.bindings.generated.lvx_record;
import org.lvxattn.internal.handle.Handles;

/**
 * One operation of a group, as recorded by its flight recorder.
 *
 * @param sequence number of the operation, counted from 1, the same on all ranks
 * @param operation for instance {@code forward}
 * @param state how far it has come
 * @param status the kind of its failure, {@link Status#OK} if it has not failed
 * @param peer the rank at fault, or -1
 * @param begin when this rank began it
 * @param end when it ended, or null while it runs
 * @param bytesSent payload sent so far, in bytes
 * @param bytesReceived payload received so far, in bytes
 */
public record FlightRecord(
    long sequence,
    String operation,
    State state,
    Status status,
    int peer,
    Instant begin,
    @Nullable Instant end,
    long bytesSent,
    long bytesReceived) {

  private static final long NANOS = 1_000_000_000L;

  /** How far an operation has come. */
  public enum State {
    /** It is running. */
    BEGUN,
    /** It succeeded. */
    DONE,
    /** It failed. */
    FAILED
  }

  static FlightRecord read(MemorySegment struct) {
    long end = lvx_record.end_nanoseconds(struct);
    return new FlightRecord(
        lvx_record.sequence(struct),
        lvx_record.operation(struct).getString(0),
        switch (lvx_record.state(struct)) {
          case 0 -> State.BEGUN;
          case 1 -> State.DONE;
          default -> State.FAILED;
        },
        Handles.status(lvx_record.status(struct)),
        lvx_record.peer(struct),
        instant(lvx_record.begin_nanoseconds(struct)),
        end == 0 ? null : instant(end),
        lvx_record.bytes_sent(struct),
        lvx_record.bytes_received(struct));
  }

  private static Instant instant(long nanoseconds) {
    return Instant.ofEpochSecond(
        Math.floorDiv(nanoseconds, NANOS), Math.floorMod(nanoseconds, NANOS));
  }
}
