// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Problem;
import org.lvxattn.Tensor;

/** JDK Flight Recorder's events equal the records of the group's own flight recorder. */
class OperationEventTest {
  private static final String NAME = "org.lvxattn.Operation";

  @TempDir Path folder;

  private List<RecordedEvent> recorded(Runnable work) throws IOException {
    Path file = folder.resolve("events.jfr");
    try (Recording recording = new Recording()) {
      recording.enable(NAME);
      recording.start();
      work.run();
      recording.stop();
      recording.dump(file);
    }
    return RecordingFile.readAllEvents(file).stream()
        .filter(event -> event.getEventType().getName().equals(NAME))
        .toList();
  }

  @Test
  void everyOperationOfEveryRank() throws IOException {
    List<FlightRecord> records = new ArrayList<>();
    List<RecordedEvent> events =
        recorded(
            () ->
                records.addAll(
                    LocalWorld.run(3, OperationEventTest::work).stream()
                        .flatMap(List::stream)
                        .toList()));
    assertThat(records).hasSize(3 * 6);
    assertThat(events)
        .extracting(
            event -> event.getLong("sequence"),
            event -> event.getString("operation"),
            event -> event.getLong("bytesSent"),
            event -> event.getLong("bytesReceived"))
        .containsExactlyInAnyOrderElementsOf(
            records.stream()
                .map(
                    record ->
                        tuple(
                            record.sequence(),
                            record.operation(),
                            record.bytesSent(),
                            record.bytesReceived()))
                .toList());
    assertThat(events)
        .allSatisfy(
            event -> {
              assertThat(event.getInt("ranks")).isEqualTo(3);
              assertThat(event.getString("status")).isEqualTo("OK");
              assertThat(event.getInt("peer")).isEqualTo(-1);
              assertThat(event.getDuration()).isPositive();
            })
        .extracting(event -> event.getInt("rank"))
        .containsOnly(0, 1, 2);
    assertThat(events).extracting(event -> event.getString("device")).containsOnly("cpu");
    for (String operation : List.of("attention_forward", "attention_backward")) {
      assertThat(events)
          .filteredOn(event -> event.getString("operation").equals(operation))
          .hasSize(3)
          .allSatisfy(OperationEventTest::describesTheCall);
    }
    assertThat(events)
        .filteredOn(event -> !event.getString("operation").startsWith("attention"))
        .hasSize(3 * 4)
        .extracting(event -> event.getString("dtype"), event -> event.getLong("keys"))
        .containsOnly(tuple("", 0L));
  }

  private static void describesTheCall(RecordedEvent event) {
    assertThat(event.getString("dtype")).isEqualTo("FLOAT32");
    assertThat(event.getString("strategy")).isEqualTo("QUERY_RING");
    assertThat(event.getLong("batch")).isEqualTo(2);
    assertThat(event.getLong("queries")).isEqualTo(1);
    assertThat(event.getLong("keys")).isEqualTo(2);
    assertThat(event.getInt("heads")).isEqualTo(Problem.HEADS);
    assertThat(event.getInt("keyValueHeads")).isEqualTo(Problem.KEY_HEADS);
    assertThat(event.getInt("headDim")).isEqualTo(Problem.HEAD_DIM);
    assertThat(event.getDuration("compute")).isPositive().isLessThan(event.getDuration());
    assertThat(event.getDuration("exposedWait")).isLessThan(event.getDuration());
  }

  /** One operation of each kind. */
  private static List<FlightRecord> work(Group group) {
    try (Problem problem = new Problem(group.device(), DType.FLOAT32, 1, 2, 3, 6, group.rank());
        Tensor sum = Tensor.allocate(group.device(), DType.FLOAT32, 4)) {
      problem.forward(group);
      problem.backward(group);
      group.barrier();
      group.allGather(new byte[] {1});
      group.allReduce(sum);
      group.barrier();
      return group.flightRecords();
    }
  }

  @Test
  void mistakesAndNothingTwice() throws IOException {
    List<RecordedEvent> events =
        recorded(
            () -> {
              try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
                  Group group = Group.self(device)) {
                group.barrier();
                assertThatThrownBy(() -> group.allGather(new byte[0]))
                    .isInstanceOf(IllegalArgumentException.class);
                group.decline(Operation.FORWARD, new IllegalArgumentException("no"));
                Tensor closed = Tensor.allocate(device, DType.FLOAT32, 1);
                closed.close();
                assertThatThrownBy(() -> group.allReduce(closed))
                    .isInstanceOf(IllegalStateException.class);
              }
            });
    assertThat(events)
        .extracting(
            event -> event.getLong("sequence"),
            event -> event.getString("operation"),
            event -> event.getString("status"))
        .containsExactly(
            tuple(1L, "barrier", "OK"),
            tuple(2L, "all_gather", "INVALID_ARGUMENT"),
            tuple(3L, "attention_forward", "INVALID_ARGUMENT"),
            tuple(4L, "all_reduce", "INVALID_ARGUMENT"));
  }
}
