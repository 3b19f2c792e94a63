// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.LvxException;
import org.lvxattn.group.Group;
import org.lvxattn.launch.GroupBackend;

/**
 * The group has the number of ranks of the command line or launcher, or the command fails: no rank
 * may compute alone and report "exact".
 */
@Timeout(300)
class LaunchedProcessesTest {
  private static final List<String> LAUNCHERS =
      List.of(
          "OMPI_COMM_WORLD_SIZE",
          "PMI_SIZE",
          "PMIX_RANK",
          "SLURM_STEP_NUM_TASKS",
          "RANK",
          "WORLD_SIZE",
          "MASTER_ADDR",
          "MASTER_PORT");

  @TempDir private Path folder;

  @Test
  void mpiWithoutMpirunIsRefused() throws Exception {
    needsMpi();
    expectRefusal(run(List.of(), Map.of(), "--group", "mpi"), "mpirun -n N", "--ranks 1");
    expectRefusal(
        run(List.of(), Map.of(), "--group", "mpi", "--ranks", "4"),
        "--ranks 4",
        "has joined 1 rank",
        "not started by mpirun");
    Lvx alone = run(List.of(), Map.of(), "--group", "mpi", "--ranks", "1");
    assertThat(alone.code()).as(alone.err()).isZero();
  }

  /** The environment of another MPI's launcher, which this library's MPI ignores. */
  @ParameterizedTest
  @ValueSource(strings = {"PMI_SIZE", "OMPI_COMM_WORLD_SIZE"})
  void aLauncherThatMpiDoesNotHearIsNamed(String variable) throws Exception {
    needsMpi();
    expectRefusal(
        run(List.of(), Map.of(variable, "4"), "--group", "mpi"),
        variable,
        "4 processes",
        "there is 1",
        "another MPI");
  }

  @Test
  void mpirunWithAnotherNumberIsRefused() throws Exception {
    needsMpi();
    List<String> mpirun =
        List.of("mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", "2");
    expectRefusal(
        run(mpirun, Map.of(), "--group", "mpi", "--ranks", "3"), "--ranks 3", "joined 2 ranks");
    Lvx two = run(mpirun, Map.of(), "--group", "mpi", "--ranks", "2", "--json");
    assertThat(two.code()).as(two.err()).isZero();
    assertThat(two.json()).containsEntry("ranks", 2L);
    expectRefusal(
        run(mpirun, Map.of(), "--group", "gloo"), "OMPI_COMM_WORLD_SIZE is 2", "--group mpi");
  }

  @ParameterizedTest
  @ValueSource(strings = {"gloo", "nccl"})
  void anotherWorldSizeIsRefused(String backend) throws Exception {
    try {
      Group.loadBackend(GroupBackend.valueOf(backend.toUpperCase(Locale.ROOT)));
    } catch (LvxException e) {
      assumeTrue(false, String.valueOf(e.getMessage()));
    }
    Map<String, String> one =
        Map.of("RANK", "0", "WORLD_SIZE", "1", "MASTER_ADDR", "127.0.0.1", "MASTER_PORT", "29500");
    expectRefusal(
        run(List.of(), one, "--group", backend, "--ranks", "4"),
        "--ranks 4",
        "has joined 1 rank",
        "WORLD_SIZE is 1");
    expectRefusal(
        run(List.of(), Map.of("RANK", "0"), "--group", backend, "--ranks", "4"),
        "WORLD_SIZE is missing");
  }

  private static void expectRefusal(Lvx lvx, String... texts) {
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isEqualTo(2);
    assertThat(lvx.out()).isEmpty();
    assertThat(lvx.err()).contains(texts);
  }

  private static void needsMpi() {
    assumeTrue(
        Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
            .anyMatch(path -> new File(path, "mpirun").canExecute()),
        "mpirun is not on the PATH (Debian: openmpi-bin)");
  }

  /** Runs a small {@code lvx run} in separate JVMs with only this environment. */
  private Lvx run(List<String> launcher, Map<String, String> variables, String... arguments)
      throws IOException, InterruptedException {
    Path out = folder.resolve("out");
    Path err = folder.resolve("err");
    List<String> command = new ArrayList<>(launcher);
    command.addAll(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:TieredStopAtLevel=1",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            Main.class.getName(),
            "run",
            "--shape",
            "1,8,64,4,2,16",
            "--check"));
    command.addAll(List.of(arguments));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
    builder.environment().keySet().removeAll(LAUNCHERS);
    builder.environment().putAll(variables);
    Process process = builder.start();
    try {
      assertThat(process.waitFor(150, TimeUnit.SECONDS)).as("lvx run has ended").isTrue();
    } finally {
      process.destroy();
    }
    return new Lvx(process.exitValue(), Files.readString(out), Files.readString(err));
  }
}
