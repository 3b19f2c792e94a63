// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(300)
class RendezvousTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  private static FutureTask<List<byte[]>> come(int port, int rank, int size, Duration timeout) {
    Rendezvous rendezvous = Rendezvous.tcp("127.0.0.1", port);
    byte[] mine = ("rank " + rank).getBytes(StandardCharsets.UTF_8);
    FutureTask<List<byte[]>> task =
        new FutureTask<>(() -> rendezvous.allGather(rank, size, mine, timeout));
    Thread.ofPlatform().daemon().start(task);
    return task;
  }

  private static Throwable failureOf(FutureTask<List<byte[]>> task) throws InterruptedException {
    try {
      task.get();
      throw new AssertionError("the rendezvous took place");
    } catch (ExecutionException e) {
      return Objects.requireNonNull(e.getCause());
    }
  }

  @Test
  void everyRankGetsWhatAllSayAlsoAgainOnTheSamePort() throws Exception {
    int port = freePort();
    for (int round = 0; round < 3; round++) {
      List<FutureTask<List<byte[]>>> ranks = new ArrayList<>();
      for (int rank = 4; rank >= 0; rank--) {
        ranks.add(come(port, rank, 5, LONG));
      }
      for (FutureTask<List<byte[]>> rank : ranks) {
        assertThat(rank.get().stream().map(String::new))
            .containsExactly("rank 0", "rank 1", "rank 2", "rank 3", "rank 4");
      }
    }
  }

  @Test
  void ranksThatDoNotComeAreNamedToAllWhoDid() throws Exception {
    int port = freePort();
    Duration brief = Duration.ofMillis(700);
    for (FutureTask<List<byte[]>> rank :
        List.of(come(port, 0, 4, brief), come(port, 2, 4, brief))) {
      assertThat(failureOf(rank))
          .isInstanceOf(DeadlineExceededException.class)
          .hasMessageContaining("ranks 1, 3 did not come")
          .satisfies(e -> assertThat(((GroupException) e).rank()).isEqualTo(1));
    }
  }

  @Test
  void aMissingServerIsRankZero() throws Exception {
    assertThat(failureOf(come(freePort(), 1, 2, Duration.ofMillis(300))))
        .isInstanceOf(DeadlineExceededException.class)
        .hasMessageContaining("rank 0 did not hold the rendezvous");
  }

  @Test
  void twoProcessesOfOneRankAreFoundOut() throws Exception {
    int port = freePort();
    List<FutureTask<List<byte[]>>> ranks =
        List.of(come(port, 0, 3, LONG), come(port, 1, 3, LONG), come(port, 1, 3, LONG));
    assertThat(failureOf(ranks.getFirst()))
        .hasMessageContaining("two processes say they are rank 1");
  }

  @Test
  void aRankOfAnotherGroupIsRefused() throws Exception {
    int port = freePort();
    FutureTask<List<byte[]>> server = come(port, 0, 3, LONG);
    FutureTask<List<byte[]>> stranger = come(port, 1, 2, LONG);
    assertThat(failureOf(server)).hasMessageContaining("rank 1 of 2");
    assertThat(failureOf(stranger)).hasMessageContaining("rank 1 of 2");
  }

  @Test
  void strangersAreIgnored() throws Exception {
    int port = freePort();
    FutureTask<List<byte[]>> server = come(port, 0, 2, LONG);
    for (int i = 0; i < 20; i++) {
      try (Socket stranger = new Socket(InetAddress.getLoopbackAddress(), port)) {
        stranger.getOutputStream().write("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.UTF_8));
      } catch (IOException e) {
        Thread.sleep(20); // not listening yet
      }
    }
    come(port, 1, 2, LONG).get();
    assertThat(server.get()).hasSize(2);
  }

  @Test
  void argumentsAreChecked() {
    assertThatIllegalArgumentException().isThrownBy(() -> Rendezvous.tcp("localhost", 0));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Rendezvous.tcp("localhost", 5).allGather(2, 2, new byte[1], LONG))
        .withMessageContaining("rank is 2");
  }

  @Test
  void aHalfSetEnvironmentNamesWhatIsMissing() {
    Map<String, String> whole =
        Map.of("RANK", "1", "WORLD_SIZE", "3", "MASTER_ADDR", "127.0.0.1", "MASTER_PORT", "29500");
    assertThat(read(whole))
        .isEqualTo(new LaunchEnvironment(LaunchEnvironment.Kind.GLOO, 1, 3, "127.0.0.1", 29500));
    for (String name : whole.keySet()) {
      Map<String, String> half = new HashMap<>(whole);
      half.remove(name);
      assertThatIllegalStateException().isThrownBy(() -> read(half)).withMessageContaining(name);
    }
    assertThatIllegalStateException()
        .isThrownBy(
            () -> {
              Map<String, String> wrong = new HashMap<>(whole);
              wrong.put("RANK", "3");
              read(wrong);
            })
        .withMessageContaining("RANK is 3; 0 to 2");
    assertThat(read(Map.of("OMPI_COMM_WORLD_SIZE", "4")).kind())
        .isEqualTo(LaunchEnvironment.Kind.MPI);
  }

  @Test
  void theEngineIsTheEnvironmentsOrTheCallers() {
    Map<String, String> ranks =
        Map.of("RANK", "0", "WORLD_SIZE", "2", "MASTER_ADDR", "127.0.0.1", "MASTER_PORT", "29500");
    Map<String, String> mpi = Map.of("OMPI_COMM_WORLD_SIZE", "2");
    assertThat(read(with(ranks, "nccl")).kind()).isEqualTo(LaunchEnvironment.Kind.NCCL);
    assertThat(read(with(mpi, "nccl")).kind()).isEqualTo(LaunchEnvironment.Kind.NCCL_BY_MPI);
    assertThat(read(with(Map.of(), "nccl")).kind()).isEqualTo(LaunchEnvironment.Kind.SELF);
    Map<String, String> both = new HashMap<>(ranks);
    both.putAll(mpi);
    assertThat(read(both).kind()).isEqualTo(LaunchEnvironment.Kind.GLOO);
    assertThat(read(with(both, "mpi")).kind()).isEqualTo(LaunchEnvironment.Kind.MPI);
    assertThat(LaunchEnvironment.read(both::get, Device.Kind.CPU, Group.Kind.NCCL).kind())
        .isEqualTo(LaunchEnvironment.Kind.NCCL);
    assertThatIllegalStateException()
        .isThrownBy(() -> read(with(ranks, "mpi")))
        .withMessageContaining("OMPI_COMM_WORLD_SIZE");
    assertThatIllegalStateException()
        .isThrownBy(() -> read(with(mpi, "gloo")))
        .withMessageContaining("RANK is missing");
    assertThatIllegalStateException()
        .isThrownBy(() -> read(with(ranks, "tcp")))
        .withMessageContaining("LVX_GROUP is 'tcp'");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> LaunchEnvironment.read(ranks::get, Device.Kind.CPU, Group.Kind.LOCAL))
        .withMessageContaining("engine is LOCAL");
  }

  private static LaunchEnvironment read(Map<String, String> variables) {
    return LaunchEnvironment.read(variables::get, Device.Kind.CPU, null);
  }

  private static Map<String, String> with(Map<String, String> variables, String engine) {
    Map<String, String> more = new HashMap<>(variables);
    more.put("LVX_GROUP", engine);
    return more;
  }
}
