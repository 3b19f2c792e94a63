// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.lvxattn.Strategy;

/** Processes joined by NCCL, for which the native tests' stand-in is used: no GPU is needed. */
class NcclProcessesTest extends StartedProcessesTest {
  private static final String STANDIN = "lvxattn.nccl.standin";
  private static final Duration LIMIT = Duration.ofSeconds(60);

  @Override
  Map<String, String> variables() {
    return ncclStandIn();
  }

  static Map<String, String> ncclStandIn() {
    Path standin = Path.of(System.getProperty(STANDIN, "")).toAbsolutePath();
    assertThat(standin).as("the system property " + STANDIN).isRegularFile();
    return Map.of("LVX_GROUP", "nccl", "LVX_NCCL_LIBRARY", standin.toString());
  }

  @Test
  void ranksThatShareAnIdAreExact() throws Exception {
    List<RankProcess> ranks =
        RankProcess.start(3, RankProcess.freePort(), variables(), RankProcess.java(LIMIT, "id"));
    try {
      for (RankProcess rank : ranks) {
        Expectations.exact(rank.end(LIMIT), Strategy.schedules().size());
      }
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }

  @Test
  void anErrorOfNcclOnOneRankEndsEveryRank() throws Exception {
    Map<String, String> variables = new HashMap<>(variables());
    variables.put("LVX_NCCL_STANDIN_FAULT", "async:1:3:3");
    List<RankProcess> ranks =
        RankProcess.start(3, RankProcess.freePort(), variables, RankProcess.java(LIMIT, "endure"));
    try {
      for (int rank : new int[] {0, 2}) {
        assertThat(ranks.get(rank).await("LOST", LIMIT))
            .startsWith("LOST 1 PeerLostException")
            .contains("internal error");
      }
      assertThat(ranks.get(1).end(LIMIT))
          .anyMatch(line -> line.contains("LvxException") && line.contains("internal error"));
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }

  @Test
  void withoutNcclTheErrorNamesItAndTheRemedy() throws Exception {
    expectRefusal(
        Map.of("LVX_NCCL_LIBRARY", "/nowhere/libnccl.so.2"),
        "NCCL cannot be loaded: /nowhere/libnccl.so.2");
  }

  @Test
  void anOldNcclIsRefused() throws Exception {
    expectRefusal(Map.of("LVX_NCCL_STANDIN_FAULT", "version:0:0:21703"), "is NCCL 2.17.3");
  }

  private void expectRefusal(Map<String, String> changes, String text) throws Exception {
    Map<String, String> variables = new HashMap<>(variables());
    variables.putAll(changes);
    List<RankProcess> ranks =
        RankProcess.start(2, RankProcess.freePort(), variables, RankProcess.java(LIMIT, "exact"));
    try {
      for (RankProcess rank : ranks) {
        assertThat(rank.end(LIMIT))
            .anyMatch(line -> line.contains(text) && line.contains("install NCCL 2.18 or later"));
        assertThat(rank.exitValue()).isNotZero();
      }
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }
}
