// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.Device;
import org.lvxattn.GroupException;
import org.lvxattn.GroupInterruptedException;
import org.lvxattn.GroupJoinException;
import org.lvxattn.LvxException;
import org.lvxattn.PeerTimeoutException;
import org.lvxattn.Status;
import org.lvxattn.launch.GroupBackend;
import org.lvxattn.launch.LaunchEnvironment;
import org.lvxattn.launch.Rendezvous;

@Timeout(300)
class RendezvousTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  private static int freePort() throws IOException {
    return Gathering.freePort();
  }

  private static Gathering of(int size, @Nullable String secret) throws IOException {
    return Gathering.of(size, secret);
  }

  private static Throwable failureOf(FutureTask<?> task) throws Exception {
    return Gathering.failureOf(task);
  }

  @ParameterizedTest
  @NullSource
  @ValueSource(strings = {"s", "a longer secret, \u00fc \ud83d\ude42"})
  void everyRankGetsWhatAllSayAlsoAgainOnTheSamePort(@Nullable String secret) throws Exception {
    Gathering gathering = Gathering.of(5, secret);
    for (int round = 0; round < 3; round++) {
      List<FutureTask<List<String>>> ranks = new ArrayList<>();
      for (int rank = 4; rank >= 0; rank--) {
        ranks.add(gathering.come(rank));
      }
      for (FutureTask<List<String>> rank : ranks) {
        assertThat(Gathering.get(rank)).isEqualTo(gathering.expected());
      }
    }
  }

  @Test
  void ranksThatDoNotComeAreNamedToAllWhoDid() throws Exception {
    Gathering gathering = new Gathering(freePort(), 4, null, Duration.ofMillis(1500));
    for (FutureTask<List<String>> rank : List.of(gathering.come(0), gathering.come(2))) {
      assertThat(failureOf(rank))
          .isInstanceOf(PeerTimeoutException.class)
          .hasMessageContaining("ranks 1, 3 did not come")
          .hasMessageContaining("within 1.5 s")
          .satisfies(e -> assertThat(((GroupException) e).rank()).isEqualTo(1));
    }
  }

  @Test
  void aMissingServerIsRankZero() throws Exception {
    Gathering gathering = new Gathering(freePort(), 2, null, Duration.ofMillis(300));
    assertThat(failureOf(gathering.come(1)))
        .isInstanceOf(PeerTimeoutException.class)
        .hasMessageContaining("rank 0 did not hold the rendezvous");
  }

  @Test
  void aSecondProcessOfOneRankIsRefusedAlone() throws Exception {
    Gathering gathering = of(3, null);
    FutureTask<List<String>> server = gathering.come(0);
    FutureTask<List<String>> first = gathering.come(1);
    FutureTask<List<String>> second = gathering.come(1);
    while (!first.isDone() && !second.isDone()) {
      Thread.sleep(10);
    }
    boolean firstRefused = first.isDone();
    FutureTask<List<String>> refused = firstRefused ? first : second;
    assertThat(failureOf(refused))
        .isInstanceOf(GroupJoinException.class)
        .hasMessageContaining("two processes say they are rank 1")
        .satisfies(e -> assertThat(((LvxException) e).status()).isEqualTo(Status.JOIN_FAILED));
    FutureTask<List<String>> last = gathering.come(2);
    assertThat(Gathering.get(firstRefused ? second : first)).isEqualTo(gathering.expected());
    assertThat(Gathering.get(last)).isEqualTo(gathering.expected());
    assertThat(Gathering.get(server)).isEqualTo(gathering.expected());
  }

  @Test
  void aRankThatDiedAndWasStartedAgainTakesItsPlace() throws Exception {
    Gathering gathering = of(3, "a secret");
    FutureTask<List<String>> server = gathering.come(0);
    gathering.awaitPort();
    for (int life = 0; life < 3; life++) {
      try (HostilePeer mortal = new HostilePeer(gathering.port())) {
        mortal.prove("a secret").who(1, 3);
        mortal.connection.send(RendezvousProtocol.SAYS, new byte[] {1});
        assertThat(mortal.answer()).isEqualTo(RendezvousProtocol.ADMITTED);
      }
    }
    FutureTask<List<String>> again = gathering.come(1);
    FutureTask<List<String>> last = gathering.come(2);
    assertThat(Gathering.get(last)).isEqualTo(gathering.expected());
    assertThat(Gathering.get(again)).isEqualTo(gathering.expected());
    assertThat(Gathering.get(server)).isEqualTo(gathering.expected());
  }

  @Test
  void aRankOfAnotherSizeIsMentionedWhereRanksAreMissing() throws Exception {
    Gathering gathering = new Gathering(freePort(), 2, null, Duration.ofSeconds(3));
    FutureTask<List<String>> server = gathering.come(0);
    gathering.awaitPort();
    FutureTask<List<String>> other = gathering.come(1, 3, null);
    assertThat(failureOf(other))
        .isInstanceOf(GroupJoinException.class)
        .hasMessageContaining("this process says it is rank 1 of 3; rank 0 expected rank 1 of 2");
    assertThat(failureOf(server))
        .isInstanceOf(PeerTimeoutException.class)
        .hasMessageContaining("rank 1 did not come")
        .hasMessageContaining("within 3 s")
        .hasMessageContaining("a process at 127.0.0.1 that said it was rank 1 of 3");
  }

  @ParameterizedTest
  @CsvSource({"1, 2", "99, 100", "3, 3", "-1, 4", "2147483647, 2147483647"})
  void aRankOfAnotherGroupIsRefusedAlone(int rank, int size) throws Exception {
    Gathering gathering = of(4, null);
    FutureTask<List<String>> server = gathering.come(0);
    gathering.awaitPort();
    try (HostilePeer other = new HostilePeer(gathering.port())) {
      other.prove(null).who(rank, size);
      RendezvousConnection.Frame answer = other.connection.receive(2048, count -> {});
      assertThat(answer.type()).isEqualTo(RendezvousProtocol.REFUSED);
      assertThat(new String(answer.body(), StandardCharsets.UTF_8))
          .contains("rank " + rank + " of " + size)
          .contains("rank 0 expected ranks 1 to 3 of 4");
    }
    for (FutureTask<List<String>> each : gathering.comeFrom(1)) {
      assertThat(Gathering.get(each)).isEqualTo(gathering.expected());
    }
    assertThat(Gathering.get(server)).isEqualTo(gathering.expected());
  }

  @Test
  void anAddressOfAnotherLengthIsRefusedAlone() throws Exception {
    int port = freePort();
    FutureTask<List<byte[]>> server = addresses(port, 0, new byte[100]);
    assertThat(failureOf(addresses(port, 1, new byte[20])))
        .isInstanceOf(GroupJoinException.class)
        .hasMessageContaining("this process has an address of 20 bytes, rank 0 one of 100");
    assertThat(failureOf(addresses(port, 1, new byte[200])))
        .isInstanceOf(GroupJoinException.class)
        .hasMessageContaining("this process has an address of 200 bytes, rank 0 one of 100");
    assertThat(Gathering.get(addresses(port, 1, new byte[100]))).hasSize(2);
    assertThat(Gathering.get(server)).hasSize(2);
  }

  private static FutureTask<List<byte[]>> addresses(int port, int rank, byte[] mine) {
    FutureTask<List<byte[]>> task =
        new FutureTask<>(
            () -> Rendezvous.tcp("127.0.0.1", port).allGatherAddresses(rank, 2, mine, LONG, null));
    Thread.ofPlatform().daemon().start(task);
    return task;
  }

  @ParameterizedTest
  @CsvSource(
      nullValues = "none",
      value = {
        "mine, yours, has another secret than this rank",
        "mine, none, asks for a secret",
        "none, yours, asks for none"
      })
  void aRankWithAWrongSecretIsToldSoAtOnce(
      @Nullable String mine, @Nullable String theirs, String reason) throws Exception {
    Gathering gathering = of(3, mine);
    FutureTask<List<String>> server = gathering.come(0);
    assertThat(failureOf(gathering.come(1, 3, theirs)))
        .isInstanceOf(GroupJoinException.class)
        .hasMessageContaining(reason)
        .hasMessageContaining("LVX_SECRET");
    for (FutureTask<List<String>> rank : gathering.comeFrom(1)) {
      assertThat(Gathering.get(rank)).isEqualTo(gathering.expected());
    }
    assertThat(Gathering.get(server)).isEqualTo(gathering.expected());
  }

  @Test
  void aServerThatDoesNotKnowTheSecretIsFoundOut() throws Exception {
    try (ServerSocket listener = new ServerSocket(0, 8, InetAddress.getLoopbackAddress())) {
      Thread.ofVirtual()
          .start(
              () -> {
                try (Socket socket = listener.accept()) {
                  socket.getInputStream().readNBytes(RendezvousProtocol.RANK_GREETING);
                  socket.getOutputStream().write(RendezvousProtocol.serverGreeting("guessed"));
                  byte[] proof = socket.getInputStream().readNBytes(5 + RendezvousKeys.MAC_BYTES);
                  socket.getOutputStream().write(proof); // reflected
                  socket.getInputStream().read();
                } catch (IOException e) {
                  // The rank has closed the connection.
                }
              });
      Gathering gathering = new Gathering(listener.getLocalPort(), 2, "a secret", LONG);
      assertThat(failureOf(gathering.come(1)))
          .isInstanceOf(GroupJoinException.class)
          .hasMessageContaining("does not know the secret");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "HTTP/1.1 400 Bad Request, it answered 'H",
    "SSH-2.0-OpenSSH_9.2p1, it answered 'S",
    "LVXRDVR, it answered 'LVXRDVR"
  })
  void aForeignServerIsNamedForWhatItIs(String says, String reason) throws Exception {
    try (ServerSocket listener = foreign(says)) {
      Gathering gathering = new Gathering(listener.getLocalPort(), 2, null, LONG);
      long begin = System.nanoTime();
      assertThat(failureOf(gathering.come(1)))
          .isInstanceOf(GroupJoinException.class)
          .hasMessageContaining(
              "127.0.0.1:"
                  + listener.getLocalPort()
                  + " is served by something that is no"
                  + " rendezvous of lvxattn ("
                  + reason);
      assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(LONG.dividedBy(2));
    }
  }

  @Test
  void aForeignServerThatIsSilentIsNamedToo() throws Exception {
    try (ServerSocket listener = foreign("")) {
      boolean whole = Boolean.getBoolean("lvxattn.long"); // the rank tries three times
      Gathering gathering =
          new Gathering(listener.getLocalPort(), 2, null, whole ? LONG : Duration.ofSeconds(1));
      assertThat(failureOf(gathering.come(1)))
          .isInstanceOf(whole ? GroupJoinException.class : PeerTimeoutException.class)
          .hasMessageContaining("it accepted the connection and said nothing");
    }
  }

  private static ServerSocket foreign(String says) throws IOException {
    ServerSocket listener = new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                while (true) {
                  Socket socket = listener.accept();
                  socket.getOutputStream().write(says.getBytes(StandardCharsets.UTF_8));
                }
              } catch (IOException e) {
                // The test has ended.
              }
            });
    return listener;
  }

  @Test
  void aPortInUseIsSaidSoonAndIsNoTimeout() throws Exception {
    try (ServerSocket listener = new ServerSocket(0)) {
      Gathering gathering = new Gathering(listener.getLocalPort(), 2, null, LONG);
      long begin = System.nanoTime();
      assertThat(failureOf(gathering.come(0)))
          .isInstanceOf(GroupJoinException.class)
          .hasMessageContaining("cannot serve the rendezvous on port " + listener.getLocalPort());
      assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(LONG.dividedBy(2));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void anInterruptEndsTheWaitAndIsKept(int rank) throws Exception {
    for (boolean served : new boolean[] {false, true}) {
      Gathering gathering = of(3, null);
      FutureTask<List<String>> server = served && rank == 1 ? gathering.come(0) : null;
      AtomicBoolean kept = new AtomicBoolean();
      FutureTask<List<byte[]>> task =
          new FutureTask<>(
              () -> {
                try {
                  return Rendezvous.tcp("127.0.0.1", gathering.port())
                      .allGather(rank, 3, new byte[1], LONG);
                } finally {
                  kept.set(Thread.currentThread().isInterrupted());
                }
              });
      Thread thread = Thread.ofPlatform().daemon().start(task);
      Thread.sleep(500);
      thread.interrupt();
      long begin = System.nanoTime();
      assertThat(failureOf(task))
          .isInstanceOf(GroupInterruptedException.class)
          .hasMessageContaining("interrupted");
      assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(LONG.dividedBy(3));
      thread.join();
      assertThat(kept).isTrue();
      if (server != null) {
        assertThat(server.isDone()).isFalse();
        gathering.comeFrom(1);
        assertThat(Gathering.get(server)).isEqualTo(gathering.expected());
      }
    }
  }

  @Test
  void aGroupOfOneNeedsNoPort() throws Exception {
    try (ServerSocket listener = new ServerSocket(0)) {
      Gathering gathering = new Gathering(listener.getLocalPort(), 1, null, LONG);
      assertThat(Gathering.get(gathering.come(0))).containsExactly("rank 0");
    }
  }

  @Test
  void whereRankZeroIsTheLoopbackDeviceNobodyElseReachesThePort() throws Exception {
    Gathering gathering = of(2, null);
    FutureTask<List<String>> server = gathering.come(0);
    gathering.awaitPort();
    for (InetAddress own :
        NetworkInterface.networkInterfaces()
            .flatMap(NetworkInterface::inetAddresses)
            .filter(address -> address instanceof Inet4Address && !address.isLoopbackAddress())
            .toList()) {
      assertThatExceptionOfType(IOException.class)
          .isThrownBy(() -> new Socket(own, gathering.port()).close());
    }
    assertThat(Gathering.get(gathering.come(1))).isEqualTo(gathering.expected());
    assertThat(Gathering.get(server)).isEqualTo(gathering.expected());
  }

  @Test
  void argumentsAreChecked() {
    assertThatIllegalArgumentException().isThrownBy(() -> Rendezvous.tcp("localhost", 0));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Rendezvous.tcp(" ", 1))
        .withMessageContaining("host is blank");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Rendezvous.tcp("localhost", 1, ""))
        .withMessageContaining("secret");
    assertThat(Rendezvous.tcp("localhost", 1, "sesame").toString()).doesNotContain("sesame");
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
  void whatALauncherOfMpiAnnouncesIsNeverTakenForOneRank() {
    Map<String, String> slurm = Map.of("SLURM_STEP_NUM_TASKS", "4");
    assertThat(read(slurm).kind()).isEqualTo(LaunchEnvironment.Kind.SELF);
    Map<String, String> pmix = new HashMap<>(slurm);
    pmix.put("PMIX_RANK", "2");
    assertThat(read(pmix).kind()).isEqualTo(LaunchEnvironment.Kind.MPI);
    assertThat(read(Map.of("PMI_SIZE", "4")).kind()).isEqualTo(LaunchEnvironment.Kind.MPI);
    for (String name : List.of("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")) {
      assertThatIllegalStateException()
          .isThrownBy(() -> read(Map.of(name, "4", "WORLD_SIZE", "1", "RANK", "0")))
          .withMessageContaining("WORLD_SIZE is 1")
          .withMessageContaining("started 4 processes");
    }
  }

  @Test
  void theBackendIsTheEnvironmentsOrTheCallers() {
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
    assertThat(LaunchEnvironment.read(both::get, Device.Kind.CPU, GroupBackend.NCCL).kind())
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
        .isThrownBy(() -> LaunchEnvironment.read(ranks::get, Device.Kind.CPU, GroupBackend.LOCAL))
        .withMessageContaining("backend is LOCAL");
  }

  private static LaunchEnvironment read(Map<String, String> variables) {
    return LaunchEnvironment.read(variables::get, Device.Kind.CPU, null);
  }

  private static Map<String, String> with(Map<String, String> variables, String backend) {
    Map<String, String> more = new HashMap<>(variables);
    more.put("LVX_GROUP", backend);
    return more;
  }
}
