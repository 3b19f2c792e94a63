// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.Strategy;
import org.lvxattn.testing.Seeds;

/** Real processes on this machine, started and joined by Open MPI. */
@Timeout(600)
class MpiProcessesTest {
  private static final Duration LONG = Duration.ofMinutes(3);

  @BeforeEach
  void needsMpirun() {
    assumeTrue(
        Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
            .anyMatch(folder -> new File(folder, "mpirun").canExecute()),
        "mpirun is not on the PATH (Debian: openmpi-bin)");
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4})
  void everyStrategyIsExact(int size) throws Exception {
    try (RankProcess job = mpirun(size, List.of(), RankProcess.java(LONG, "exact"))) {
      Expectations.exact(job.end(LONG), size * Strategy.schedules().size());
      assertThat(job.exitValue()).isZero();
    }
  }

  /** MPI exchanges the addresses, NCCL moves the data. */
  @Test
  void everyStrategyIsExactOverNccl() throws Exception {
    try (RankProcess job =
        mpirun(3, List.of(), NcclProcessesTest.ncclStandIn(), RankProcess.java(LONG, "exact"))) {
      Expectations.exact(job.end(LONG), 3 * Strategy.schedules().size());
      assertThat(job.exitValue()).isZero();
    }
  }

  @Test
  void aRankThatCallsSomethingElseIsNamedAndTheGroupGoesOn() throws Exception {
    try (RankProcess job = mpirun(3, List.of(), RankProcess.java(LONG, "mismatch"))) {
      List<String> lines = job.end(LONG);
      assertThat(lines.stream().filter(line -> line.startsWith("MISMATCH"))).hasSize(3);
      assertThat(lines.stream().filter(line -> line.startsWith("MISMATCH 1 "))).hasSize(2);
      Expectations.exact(lines, 3);
    }
  }

  /** Plain mpirun would end all processes when one dies. */
  @ParameterizedTest
  @ValueSource(strings = {"KILL", "STOP"})
  void survivorsNameTheVictim(String signal) throws Exception {
    Random random = new Random(Seeds.campaign());
    for (int i = Campaign.size(20); i > 0; i--) {
      strike(signal, random.nextInt(3), random.nextInt(200));
    }
  }

  @Test
  void anInterruptEndsTheWaitForAStoppedRank() throws Exception {
    try (RankProcess job =
        mpirun(3, List.of("--enable-recovery"), RankProcess.java(LONG, "interrupted", "3000"))) {
      job.await("READY", 3, LONG);
      job.signalRank(1, "STOP");
      job.await("INTERRUPTED", 1, LONG);
      job.await("LOST 0 PeerLostException", 1, LONG);
      Expectations.interrupted(job.first("INTERRUPTED"));
    }
  }

  private static void strike(String signal, int victim, int delay) throws Exception {
    Duration timeout = Duration.ofSeconds(3);
    try (RankProcess job =
        mpirun(3, List.of("--enable-recovery"), RankProcess.java(timeout, "endure"))) {
      for (int rank = 0; rank < 3; rank++) {
        job.await("READY", LONG);
      }
      Thread.sleep(delay); // anywhere in a forward or a backward
      job.signalRank(victim, signal);
      long begin = System.nanoTime();
      for (int survivor = 0; survivor < 2; survivor++) {
        assertThat(job.await("LOST", LONG)).startsWith("LOST " + victim + " ");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(timeout.plusSeconds(30));
      }
      // A rank that wrote into freed memory would have crashed before.
      job.await("END", 2, LONG);
    }
  }

  private static RankProcess mpirun(int size, List<String> options, List<String> command)
      throws IOException {
    return mpirun(size, options, Map.of(), command);
  }

  private static RankProcess mpirun(
      int size, List<String> options, Map<String, String> variables, List<String> command)
      throws IOException {
    List<String> mpirun = new ArrayList<>();
    mpirun.addAll(List.of("mpirun", "--oversubscribe", "--bind-to", "none"));
    mpirun.addAll(options);
    mpirun.addAll(List.of("-n", String.valueOf(size)));
    mpirun.addAll(command);
    ProcessBuilder builder = new ProcessBuilder(mpirun);
    builder.environment().putAll(variables);
    // Containers and CI run as root, which mpirun refuses unless told twice.
    builder.environment().put("OMPI_ALLOW_RUN_AS_ROOT", "1");
    builder.environment().put("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    return new RankProcess(builder);
  }
}
