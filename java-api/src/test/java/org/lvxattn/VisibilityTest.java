// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.group.Group;
import org.lvxattn.group.LocalWorld;

/** Invalid ranges are rejected, on one rank and over several, and all objects stay usable. */
@Timeout(120)
class VisibilityTest {
  private static final int QUERIES = 3;
  private static final CrossAttention.Builder ATTENTION =
      CrossAttention.builder().heads(2).keyValueHeads(2).headDim(8);

  /** Batch 2, three queries, one range each: begin to end for the last one, all keys for others. */
  private static void withRange(Device device, int begin, int end, Consumer<Mask> use) {
    int[] ranges = new int[2 * QUERIES * 2];
    for (int i = 1; i < ranges.length; i += 2) {
      ranges[i] = 4;
    }
    ranges[ranges.length - 2] = begin;
    ranges[ranges.length - 1] = end;
    try (Tensor visibility = Tensor.allocate(device, DType.INT32, 2, QUERIES, 1, 2)) {
      use.accept(Mask.visible(visibility.copyFrom(ranges)));
    }
  }

  private static void forward(Group group, Strategy strategy, Mask mask) {
    Device device = group.device();
    try (Tensor q = Tensor.allocate(device, DType.FLOAT32, 2, QUERIES, 2, 8);
        Tensor k = Tensor.allocate(device, DType.FLOAT32, 2, 4, 2, 8);
        AttentionForward forward =
            ATTENTION.strategy(strategy).build().forward(group, q, k, k, mask)) {
      assertThat(forward.output().shape()).containsExactly(2, QUERIES, 2, 8);
    }
  }

  @ParameterizedTest
  @CsvSource({"4, 2", "1, 0", "0, -1", "1000, 999", "-1, 3", "2147483647, -2147483648"})
  void wrongRangesAreRefusedByName(int begin, int end) {
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Group group = Group.self(device)) {
      withRange(
          device,
          begin,
          end,
          mask ->
              assertThatIllegalArgumentException()
                  .isThrownBy(() -> forward(group, Strategy.QUERY_RING, mask))
                  .withMessageContaining("visibility")
                  .withMessageContaining("got [" + begin + ", " + end + ")")
                  .withMessageContaining("batch 1, query 2, range 0"));
      withRange(device, 4, 4, mask -> forward(group, Strategy.QUERY_RING, mask));
      withRange(device, 1, 99, mask -> forward(group, Strategy.QUERY_RING, mask));
    }
  }

  @Test
  void theOracleRefusesThemToo() {
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Tensor q = Tensor.allocate(device, DType.FLOAT64, 2, QUERIES, 2, 8);
        Tensor k = Tensor.allocate(device, DType.FLOAT64, 2, 4, 2, 8);
        Tensor o = Tensor.allocate(device, DType.FLOAT64, 2, QUERIES, 2, 8);
        Tensor lse = Tensor.allocate(device, DType.FLOAT64, 2, 2, QUERIES)) {
      withRange(
          device,
          4,
          2,
          mask ->
              assertThatIllegalArgumentException()
                  .isThrownBy(() -> ReferenceAttention.forward(1, q, k, k, mask, o, lse))
                  .withMessageContaining("got [4, 2) in batch 1, query 2, range 0"));
    }
  }

  @ParameterizedTest
  @EnumSource(
      names = {
        "QUERY_RING",
        "QUERY_GATHER",
        "KV_RING",
        "KV_GATHER",
        "HEAD_ALL_TO_ALL",
        "TWO_LEVEL"
      })
  void oneRanksMistakeIsToldToAllAndTheGroupStaysUsable(Strategy strategy) {
    List<String> messages =
        LocalWorld.run(
            2,
            group -> {
              String[] message = new String[1];
              int end = group.rank() == 1 ? 2 : 4;
              withRange(
                  group.device(),
                  4,
                  end,
                  mask -> {
                    RuntimeException e =
                        catchThrowableOfType(
                            RuntimeException.class, () -> forward(group, strategy, mask));
                    message[0] = e.getClass().getSimpleName() + ": " + e.getMessage();
                  });
              withRange(group.device(), 4, 4, mask -> forward(group, strategy, mask));
              return message[0];
            });
    assertThat(messages.get(0)).startsWith("PeerMismatchException").contains("got [4, 2) in batch");
    assertThat(messages.get(1)).startsWith("IllegalArgumentException").contains("got [4, 2) in");
  }
}
