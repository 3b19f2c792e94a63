// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GroupException;
import org.lvxattn.PeerLostException;
import org.lvxattn.PeerMismatchException;
import org.lvxattn.PeerTimeoutException;
import org.lvxattn.Problem;
import org.lvxattn.Tensor;

@Timeout(300)
class GroupTest {
  private Device device;

  @BeforeEach
  void open() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
  }

  @AfterEach
  void close() {
    device.close();
  }

  @Test
  void aGroupOfOne() {
    try (Group group = Group.self(device)) {
      assertThat(group.rank()).isZero();
      assertThat(group.size()).isEqualTo(1);
      assertThat(group.device()).isSameAs(device);
      assertThat(group.timeout()).isEqualTo(Duration.ofSeconds(60));
      group.setTimeout(Duration.ofMillis(1500));
      assertThat(group.timeout()).isEqualTo(Duration.ofMillis(1500));
      group.barrier();
      assertThat(group.failed()).isFalse();
      List<FlightRecord> records = group.flightRecords();
      assertThat(records).hasSize(1);
      assertThat(records.getFirst().operation()).isEqualTo("barrier");
      assertThat(records.getFirst().sequence()).isEqualTo(1);
      assertThat(records.getFirst().state()).isEqualTo(FlightRecord.State.DONE);
      assertThat(records.getFirst().end()).isAfterOrEqualTo(records.getFirst().begin());
    }
  }

  @Test
  void nothingWorksAfterClose() {
    Group group = Group.self(device);
    group.close();
    group.close();
    assertThatIllegalStateException().isThrownBy(group::barrier).withMessageContaining("group");
    assertThatIllegalStateException().isThrownBy(group::failed);
    assertThatIllegalStateException().isThrownBy(group::timeout);
    assertThatIllegalStateException().isThrownBy(group::flightRecords);
  }

  @Test
  void theEnvironmentDecidesWhoComputes() {
    try (Group group =
        Group.fromEnvironment(
            device, null, GroupOptions.defaults(), Map.<String, String>of()::get)) {
      assertThat(group.size()).isEqualTo(1);
    }
    try (Group group =
        Group.fromEnvironment(
            device, null, GroupOptions.defaults(), Map.of("WORLD_SIZE", "1")::get)) {
      assertThat(group.size()).isEqualTo(1);
    }
    assertThatIllegalStateException()
        .isThrownBy(
            () ->
                Group.fromEnvironment(
                    device, null, GroupOptions.defaults(), Map.of("WORLD_SIZE", "two")::get))
        .withMessageContaining("WORLD_SIZE is 'two'");
    assertThatIllegalStateException()
        .isThrownBy(
            () ->
                Group.fromEnvironment(
                    device, null, GroupOptions.defaults(), Map.of("WORLD_SIZE", "0")::get));
  }

  @Test
  void secretsComeFromTheCallerOrTheEnvironmentAndAreNeverShown() {
    GroupOptions given = GroupOptions.builder().secret("open sesame").build();
    assertThat(given.toString()).doesNotContain("sesame").contains("secret=given");
    assertThat(GroupOptions.defaults().toString()).contains("secret=none");
    assertThat(given.toBuilder().ranksPerNode(2).checksums(false).build().secret())
        .isEqualTo("open sesame");
    Map<String, String> variables = Map.of("LVX_SECRET", "of the environment", "LVX_CHECKSUM", "0");
    assertThat(GroupOptions.defaults().withEnvironment(variables::get).secret())
        .isEqualTo("of the environment");
    assertThat(given.withEnvironment(variables::get).secret()).isEqualTo("open sesame");
    assertThat(given.withEnvironment(variables::get).checksums()).isFalse();
    assertThat(given.withEnvironment(Map.of("LVX_CHECKSUM", "1")::get).checksums()).isTrue();
    assertThatIllegalStateException()
        .isThrownBy(() -> given.withEnvironment(Map.of("LVX_CHECKSUM", "no")::get))
        .withMessageContaining("LVX_CHECKSUM is 'no'");
    for (String wrong : List.of("", "é".repeat(513), "a\0b")) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> GroupOptions.builder().secret(wrong).build())
          .withMessageContaining("secret");
    }
    assertThatIllegalStateException()
        .isThrownBy(() -> GroupOptions.defaults().withEnvironment(Map.of("LVX_SECRET", "")::get))
        .withMessageContaining("LVX_SECRET");
  }

  @Test
  void ranksOfAWorldAreTakenOnce() {
    try (LocalWorld world = LocalWorld.of(2)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> world.join(2, device))
          .withMessageContaining("rank is 2; 0 to 1");
      Group group = world.join(1, device);
      assertThatIllegalStateException()
          .isThrownBy(() -> world.join(1, device))
          .withMessageContaining("rank");
      group.close();
    }
    LocalWorld closed = LocalWorld.of(1);
    closed.close();
    closed.close();
    assertThatIllegalStateException().isThrownBy(() -> closed.join(0, device));
    assertThatIllegalArgumentException().isThrownBy(() -> LocalWorld.of(0));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GroupOptions.builder().timeout(Duration.ZERO).build())
        .withMessageContaining("timeout");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GroupOptions.builder().timeout(Duration.ofDays(20_000)).build())
        .withMessageContaining("timeout");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GroupOptions.builder().recorderEntries(1 << 21).build())
        .withMessageContaining("recorderEntries");
  }

  @Test
  void resultsComeInRankOrder() {
    List<Integer> ranks =
        LocalWorld.run(
            5,
            group -> {
              group.barrier();
              return group.rank() * 10 + group.size();
            });
    assertThat(ranks).containsExactly(5, 15, 25, 35, 45);
  }

  @Test
  void theRankThatFailedIsNamedEverywhere() {
    assertThatThrownBy(
            () ->
                LocalWorld.run(
                    3,
                    group -> {
                      if (group.rank() == 1) {
                        throw new ArithmeticException("rank 1 gives up");
                      }
                      group.barrier();
                      return group.rank();
                    }))
        .isInstanceOf(ArithmeticException.class)
        .satisfies(
            root ->
                assertThat(root.getSuppressed())
                    .hasSize(2)
                    .allSatisfy(
                        peer -> {
                          assertThat(peer).isInstanceOf(PeerLostException.class);
                          PeerLostException lost = (PeerLostException) peer;
                          assertThat(lost.rank()).isEqualTo(1);
                          assertThat(lost.operation()).isEqualTo("barrier");
                          assertThat(lost.sequence()).isEqualTo(1);
                        }));
  }

  @Test
  void aRankThatDoesNotComeIsNamedWhenTheTimeoutHasPassed() {
    GroupOptions options = GroupOptions.builder().timeout(Duration.ofMillis(200)).build();
    try (LocalWorld world = LocalWorld.of(2, options);
        Group group = world.join(0, device)) {
      assertThatThrownBy(group::barrier)
          .isInstanceOf(PeerTimeoutException.class)
          .satisfies(e -> assertThat(((GroupException) e).rank()).isEqualTo(1));
      assertThat(group.failed()).isTrue();
      assertThat(group.flightRecords().getLast().state()).isEqualTo(FlightRecord.State.FAILED);
      assertThatIllegalStateException().isThrownBy(group::barrier);
    }
  }

  @Test
  void aRankThatCallsSomethingElseIsNamedAndTheGroupGoesOn() {
    List<String> messages =
        LocalWorld.run(
            2,
            group -> {
              try (Problem problem = new Problem(group.device(), DType.FLOAT32, 2, 3, 4, 6, 3)) {
                String message = "";
                try {
                  if (group.rank() == 0) {
                    problem.forward(group);
                  } else {
                    group.barrier();
                  }
                } catch (PeerMismatchException e) {
                  message = String.valueOf(e.getMessage());
                }
                assertThat(group.failed()).isFalse();
                problem.forward(group);
                return message;
              }
            });
    assertThat(messages.get(0)).contains("rank 1").contains("barrier");
    assertThat(messages.get(1)).contains("rank 0").contains("forward");
  }

  @Test
  void aWrongArgumentOnOneRankReleasesTheOthers() {
    List<String> failures =
        LocalWorld.run(
            3,
            group -> {
              try (Problem problem = new Problem(group.device(), DType.FLOAT32, 2, 3, 6, 9, 3);
                  Tensor wrong = Tensor.allocate(group.device(), DType.FLOAT32, 2, 3, 1)) {
                Tensor lse = group.rank() == 2 ? wrong : problem.lse;
                problem.attention.forwardInto(
                    group,
                    new AttentionInputs(problem.q, problem.k, problem.v, problem.mask),
                    new AttentionOutputs(problem.o, lse),
                    problem.statistics);
                return "none";
              } catch (IllegalArgumentException | GroupException e) {
                return e.getClass().getSimpleName() + ": " + e.getMessage();
              }
            });
    assertThat(failures.get(2)).startsWith("IllegalArgumentException").contains("lse");
    assertThat(failures.get(0)).startsWith("Peer").contains("rank 2");
    assertThat(failures.get(1)).startsWith("Peer").contains("rank 2");
  }

  @Test
  void sumsAreTheSameOnEveryRank() {
    List<double[]> sums =
        LocalWorld.run(
            4,
            group -> {
              try (Tensor tensor = Tensor.allocate(group.device(), DType.FLOAT64, 3, 5)) {
                double[] values = new double[15];
                for (int i = 0; i < values.length; i++) {
                  values[i] = Math.sin(i + 100.0 * group.rank());
                }
                tensor.copyFrom(values);
                group.allReduce(tensor);
                return tensor.toDoubles();
              }
            });
    for (double[] sum : sums) {
      assertThat(sum).containsExactly(sums.getFirst());
      for (int i = 0; i < sum.length; i++) {
        double expected = 0;
        for (int rank = 0; rank < 4; rank++) {
          expected += Math.sin(i + 100.0 * rank);
        }
        assertThat(sum[i]).isCloseTo(expected, within(1e-14));
      }
    }
  }

  @Test
  void aSumThatOneRankCannotMakeEndsOnAll() {
    List<String> messages =
        LocalWorld.run(
            2,
            group -> {
              try (Tensor good = Tensor.allocate(group.device(), DType.FLOAT32, 4);
                  Tensor bad = Tensor.allocate(group.device(), DType.FLOAT16, 4)) {
                Throwable failure =
                    catchThrowable(() -> group.allReduce(group.rank() == 0 ? good : bad));
                group.allReduce(good);
                return failure.getClass().getSimpleName() + " " + failure.getMessage();
              }
            });
    assertThat(messages.get(0)).startsWith("PeerMismatchException").contains("float16");
    assertThat(messages.get(1)).startsWith("IllegalArgumentException").contains("float16");
  }
}
