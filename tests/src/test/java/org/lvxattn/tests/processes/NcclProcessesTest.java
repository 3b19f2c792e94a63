// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.lvxattn.Strategy;

/** Joined by NCCL, whose place the stand-in of the native tests takes: no GPU is needed. */
class NcclProcessesTest extends StartedProcessesTest {
  private static final String STANDIN = "lvxattn.nccl.standin";

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
    Duration limit = Duration.ofSeconds(60);
    List<RankProcess> ranks =
        RankProcess.start(3, RankProcess.freePort(), variables(), RankProcess.java(limit, "id"));
    try {
      for (RankProcess rank : ranks) {
        Expectations.exact(rank.end(limit), Strategy.schedules().size());
      }
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }

  @Test
  void withoutNcclTheErrorNamesItAndTheRemedy() throws Exception {
    Map<String, String> nowhere =
        Map.of("LVX_GROUP", "nccl", "LVX_NCCL_LIBRARY", "/nowhere/libnccl.so.2");
    List<RankProcess> ranks =
        RankProcess.start(
            2, RankProcess.freePort(), nowhere, RankProcess.java(Duration.ofSeconds(5), "exact"));
    try {
      for (RankProcess rank : ranks) {
        assertThat(rank.end(Duration.ofSeconds(60)))
            .anyMatch(
                line -> line.contains("MISSING_LIBRARY") || line.contains("NCCL cannot be loaded"))
            .anyMatch(line -> line.contains("/nowhere/libnccl.so.2"))
            .anyMatch(line -> line.contains("install NCCL 2.18"));
        assertThat(rank.exitValue()).isNotZero();
      }
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }
}
