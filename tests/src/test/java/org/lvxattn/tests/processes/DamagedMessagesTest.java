// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.Device;
import org.lvxattn.PeerLostException;
import org.lvxattn.Strategy;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;

/** Two 16-bit words are swapped in transit, which TCP's checksum does not detect. */
@Timeout(120)
class DamagedMessagesTest {
  /** Longer than any control message. */
  private static final int OF_DATA = 8192;

  /** Swaps neighbouring words in both halves of a number in the middle of the first long piece. */
  private static Consumer<byte[]> swapping(AtomicBoolean may, AtomicInteger swapped) {
    return piece -> {
      if (piece.length < OF_DATA || !may.compareAndSet(true, false)) {
        return;
      }
      ByteBuffer words = ByteBuffer.wrap(piece);
      for (int at = piece.length / 2; at < piece.length / 2 + 8; at += 4) {
        short first = words.getShort(at);
        words.putShort(at, words.getShort(at + 2)).putShort(at + 2, first);
      }
      swapped.incrementAndGet();
    };
  }

  private static double error(Device device, Group group, AtomicBoolean may) {
    try (WholeProblem problem = new WholeProblem(device, 50, 400)) {
      double before = problem.errorOf(group, Strategy.KV_GATHER);
      assertThat(before).isLessThan(1e-12);
      group.barrier();
      may.set(true);
      return problem.errorOf(group, Strategy.KV_GATHER);
    }
  }

  @Test
  void anErrorNamesTheRankItCameFrom() throws Exception {
    AtomicBoolean may = new AtomicBoolean();
    AtomicInteger swapped = new AtomicInteger();
    try (RelayedRanks ranks = new RelayedRanks(2, swapping(may, swapped))) {
      List<FutureTask<Double>> both =
          ranks.start(GroupOptions.defaults(), (device, group) -> error(device, group, may));
      assertThatThrownBy(() -> both.get(0).get(60, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class)
          .cause()
          .isInstanceOfSatisfying(PeerLostException.class, e -> assertThat(e.rank()).isEqualTo(1))
          .hasMessageContaining("rank 1")
          .hasMessageContaining("checksum");
      assertThatThrownBy(() -> both.get(1).get(60, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class)
          .cause()
          .isInstanceOf(PeerLostException.class);
      assertThat(swapped).hasValue(1);
    }
  }

  /** With {@code LVX_CHECKSUM=0} nothing is checked. */
  @Test
  void withoutChecksumsItArrives() throws Exception {
    AtomicBoolean may = new AtomicBoolean();
    AtomicInteger swapped = new AtomicInteger();
    try (RelayedRanks ranks = new RelayedRanks(2, swapping(may, swapped))) {
      List<FutureTask<Double>> both =
          ranks.start(
              GroupOptions.builder().checksums(false).build(),
              (device, group) -> error(device, group, may));
      double worst = 0;
      for (FutureTask<Double> rank : both) {
        worst = Math.max(worst, rank.get(60, TimeUnit.SECONDS));
      }
      assertThat(swapped).hasValue(1);
      assertThat(worst).isGreaterThan(1e-9);
    }
  }
}
