// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.Strategy;
import org.lvxattn.testing.Seeds;

/** Real processes on this machine, started as torchrun does, for each backend. */
@Timeout(600)
abstract class StartedProcessesTest {
  private static final Duration LONG = Duration.ofMinutes(3);

  /** Environment variables of the backend. */
  abstract Map<String, String> variables();

  private List<RankProcess> start(int size, List<String> command) throws IOException {
    return RankProcess.start(size, RankProcess.freePort(), variables(), command);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4})
  void everyStrategyIsExact(int size) throws Exception {
    List<RankProcess> ranks = start(size, RankProcess.java(LONG, "exact"));
    try {
      for (RankProcess rank : ranks) {
        Expectations.exact(rank.end(LONG), Strategy.schedules().size());
        assertThat(rank.exitValue()).isZero();
      }
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }

  @Test
  void aRankThatCallsSomethingElseIsNamedAndTheGroupGoesOn() throws Exception {
    List<RankProcess> ranks = start(3, RankProcess.java(LONG, "mismatch"));
    try {
      for (int rank = 0; rank < 3; rank++) {
        List<String> lines = ranks.get(rank).end(LONG);
        assertThat(lines).anyMatch(line -> line.startsWith("MISMATCH"));
        if (rank != 1) {
          assertThat(lines).anyMatch(line -> line.startsWith("MISMATCH 1 "));
        }
        Expectations.exact(lines, 1);
      }
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"KILL", "STOP"})
  void survivorsNameTheVictimAndComputeAgain(String signal) throws Exception {
    Random random = new Random(Seeds.campaign());
    for (int i = Campaign.size(40); i > 0; i--) {
      strike(signal, random.nextInt(4), random.nextInt(200));
    }
  }

  @Test
  void anInterruptEndsTheWaitForAStoppedRank() throws Exception {
    List<RankProcess> ranks = start(3, RankProcess.java(LONG, "interrupted", "3000"));
    try {
      for (RankProcess rank : ranks) {
        rank.await("READY", LONG);
      }
      ranks.get(1).signal("STOP");
      Expectations.interrupted(ranks.get(0).await("INTERRUPTED", LONG));
      assertThat(ranks.get(2).await("LOST", LONG))
          .startsWith("LOST 0 PeerLostException")
          .contains("was interrupted");
      ranks.get(0).await("END", LONG);
      ranks.get(2).await("END", LONG);
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }

  private void strike(String signal, int victim, int delay) throws Exception {
    Duration timeout = Duration.ofSeconds(3);
    List<RankProcess> ranks =
        start(4, RankProcess.java(timeout, "survive", String.valueOf(RankProcess.freePort())));
    try {
      for (RankProcess rank : ranks) {
        rank.await("READY", LONG);
      }
      Thread.sleep(delay); // anywhere in a forward or a backward
      ranks.get(victim).signal(signal);
      long begin = System.nanoTime();
      for (int rank = 0; rank < 4; rank++) {
        if (rank == victim) {
          continue;
        }
        String lost = ranks.get(rank).await("LOST", LONG);
        assertThat(lost).as("rank %d, %s of %d", rank, signal, victim).startsWith("LOST " + victim);
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(timeout.plusSeconds(30));
      }
      for (int rank = 0; rank < 4; rank++) {
        if (rank != victim) {
          Expectations.exact(ranks.get(rank).end(LONG), 1);
          assertThat(ranks.get(rank).exitValue()).isZero();
        }
      }
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }
}
