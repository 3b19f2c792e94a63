// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.text.MessageFormat;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.lvxattn.CpuOptions;
import org.lvxattn.Device;
import org.lvxattn.GroupJoinException;
import org.lvxattn.PeerTimeoutException;
import org.lvxattn.Status;
import org.lvxattn.internal.rendezvous.Gathering;
import org.lvxattn.launch.Rendezvous;

/**
 * Failures while ranks connect, after the exchange of addresses: which exception is thrown, and
 * which rank it names.
 */
@Timeout(120)
class GroupJoinTest {
  /** Offsets of the parts of a rank's address. */
  private static final int VERSION = 8;

  private static final int RANK = 24;
  private static final int SIZE = 28;
  private static final int LANES = 32;
  private static final int FAMILY = 40;
  private static final int PORT = 42;
  private static final int IP = 44;

  private static final GroupOptions OPTIONS =
      GroupOptions.builder().timeout(Duration.ofSeconds(20)).build();

  /** All messages that the library logs. */
  private static final class Lines extends Handler {
    private final List<String> lines = new ArrayList<>();

    @Override
    public synchronized void publish(LogRecord line) {
      lines.add(MessageFormat.format(line.getMessage(), line.getParameters()));
    }

    synchronized List<String> withWord(String word) {
      return lines.stream().filter(line -> line.contains(word)).toList();
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }

  private static final Logger LOGGER = Logger.getLogger("org.lvxattn");

  private final Lines log = new Lines();

  @BeforeEach
  void listen() {
    LOGGER.addHandler(log);
  }

  @AfterEach
  void stopListening() {
    LOGGER.removeHandler(log);
  }

  /** Two ranks; rank 0 gets a modified address of rank 1. */
  private static Throwable failureOfRankZero(
      GroupOptions options, GroupOptions others, UnaryOperator<List<byte[]>> told)
      throws Exception {
    CyclicBarrier allHere = new CyclicBarrier(2);
    byte[][] addresses = new byte[2][];
    List<FutureTask<Integer>> ranks = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      int number = rank;
      Rendezvous rendezvous =
          (own, size, mine, timeout) -> {
            addresses[own] = mine;
            await(allHere);
            List<byte[]> all = List.of(addresses[0].clone(), addresses[1].clone());
            return own == 0 ? told.apply(all) : all;
          };
      ranks.add(
          new FutureTask<>(
              () -> {
                try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
                    Group group =
                        Group.gloo(
                            device,
                            number,
                            2,
                            rendezvous,
                            "127.0.0.1",
                            number == 0 ? options : others)) {
                  return group.allGather(new byte[1]).size();
                }
              }));
      Thread.ofPlatform().daemon().start(ranks.getLast());
    }
    return Gathering.failureOf(ranks.getFirst());
  }

  private static void await(CyclicBarrier allHere) {
    try {
      allHere.await(20, TimeUnit.SECONDS);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static void assertMisfit(Throwable failure, int rank, String text) {
    assertThat(failure).isInstanceOf(GroupJoinException.class).hasMessageContaining(text);
    assertThat(((GroupJoinException) failure).rank()).as(failure.getMessage()).isEqualTo(rank);
    assertThat(((GroupJoinException) failure).status()).isEqualTo(Status.JOIN_FAILED);
  }

  private static UnaryOperator<List<byte[]>> changed(int offset, int value) {
    return all -> {
      ByteBuffer.wrap(all.get(1)).order(ByteOrder.nativeOrder()).putInt(offset, value);
      return all;
    };
  }

  @ParameterizedTest
  @CsvSource({
    "0, 17, these bytes are no address of a rank",
    VERSION + ", 0x2e39, address of rank 1: it runs version 9.",
    RANK + ", 0, 'address of rank 1: it says rank 0 of 2, expected rank 1 of 2'",
    SIZE + ", 3, 'address of rank 1: it says rank 1 of 3, expected rank 1 of 2'",
    LANES + ", 7, these bytes are no address of a rank",
    FAMILY + ", 0, these bytes are no address of a rank",
    IP + ", 0x0100000a, 'rank 0 offers a loopback address, which rank 1 on another machine cannot'"
  })
  void anAddressThatDoesNotFitIsARanksFault(int offset, String value, String text)
      throws Exception {
    Throwable failure = failureOfRankZero(OPTIONS, OPTIONS, changed(offset, Integer.decode(value)));
    assertMisfit(failure, offset == IP ? 0 : 1, text);
  }

  /** Both processes are configured as rank 0. */
  @Test
  void aRankThatIsThereTwiceIsNamed() throws Exception {
    assertMisfit(
        failureOfRankZero(OPTIONS, OPTIONS, all -> List.of(all.get(0), all.get(0))),
        1,
        "it says rank 0 of 2, expected rank 1 of 2");
  }

  @Test
  void anotherSecretIsNoTimeout() throws Exception {
    GroupOptions soon = OPTIONS.toBuilder().timeout(Duration.ofSeconds(2)).build();
    assertMisfit(
        failureOfRankZero(knowing(soon, "one"), knowing(soon, "other"), all -> all),
        1,
        "rank 1 could not prove that it knows the group's secret");
    assertThat(log.withWord("rank 0 dropped a connection"))
        .anyMatch(line -> line.endsWith("127.0.0.1 said to be rank 1 and could not prove it"));
  }

  private static GroupOptions knowing(GroupOptions options, String secret) {
    return options.toBuilder().secret(secret).build();
  }

  @Test
  void otherChecksumsAreNoTimeout() throws Exception {
    assertMisfit(
        failureOfRankZero(OPTIONS, OPTIONS.toBuilder().checksums(false).build(), all -> all),
        1,
        "LVX_CHECKSUM");
  }

  /** The rank may only be slow, so this is a timeout. */
  @Test
  void aRankThatDoesNotConnectIsATimeoutThatNamesIt() {
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build())) {
      GroupOptions soon = OPTIONS.toBuilder().timeout(Duration.ofMillis(500)).build();
      Rendezvous alone = (rank, size, mine, timeout) -> List.of(mine, another(mine, 1, PORT, 1));
      assertThatThrownBy(() -> Group.gloo(device, 0, 2, alone, "127.0.0.1", soon))
          .isInstanceOfSatisfying(
              PeerTimeoutException.class, e -> assertThat(e.rank()).isEqualTo(1))
          .hasMessageContaining("rank 1 did not connect within the timeout");
    }
  }

  /** The port belongs to another program by now. */
  @Test
  void aForeignServerAtARanksPortIsATimeoutThatSaysSo() throws Exception {
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        ServerSocket foreign = new ServerSocket(0, 8, InetAddress.getLoopbackAddress())) {
      Thread.ofVirtual().start(() -> answerAll(foreign));
      GroupOptions soon = OPTIONS.toBuilder().timeout(Duration.ofSeconds(1)).build();
      Rendezvous meeting =
          (rank, size, mine, timeout) ->
              List.of(another(mine, 0, PORT, foreign.getLocalPort()), mine);
      assertThatThrownBy(() -> Group.gloo(device, 1, 2, meeting, "127.0.0.1", soon))
          .isInstanceOfSatisfying(PeerTimeoutException.class, e -> assertThat(e.rank()).isZero())
          .hasMessageContaining("whoever answers at 127.0.0.1 could not prove to be that rank");
    }
  }

  private static void answerAll(ServerSocket foreign) {
    try {
      while (true) {
        Socket socket = foreign.accept();
        socket.getOutputStream().write(new byte[4096]);
      }
    } catch (IOException e) {
      // The test has ended.
    }
  }

  /** The same address for another rank, except for its port. */
  private static byte[] another(byte[] mine, int rank, int offset, int port) {
    ByteBuffer address = ByteBuffer.wrap(mine.clone()).order(ByteOrder.nativeOrder());
    return address.putInt(RANK, rank).putShort(offset, (short) port).array();
  }

  @Test
  void addressesOfAnotherLengthOrNumberAreNoTimeout() {
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build())) {
      assertThatThrownBy(
              () -> Group.gloo(device, 0, 2, (r, n, mine, t) -> List.of(mine), null, OPTIONS))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("the rendezvous gave 1 address; 2 were expected");
      for (byte @Nullable [] wrong : new byte[][] {new byte[5], null}) {
        Rendezvous rendezvous = (rank, size, mine, timeout) -> java.util.Arrays.asList(mine, wrong);
        assertThatThrownBy(() -> Group.gloo(device, 0, 2, rendezvous, "127.0.0.1", OPTIONS))
            .isInstanceOfSatisfying(
                GroupJoinException.class, e -> assertThat(e.rank()).isEqualTo(1));
      }
    }
  }

  /**
   * For any number of rejected connections: a line for each of the first, and one line for the
   * others.
   */
  @Test
  void theLogHasALineForEachRejectedConnectionUpToABound() throws Exception {
    int connections = 25;
    List<Socket> callers = new ArrayList<>();
    CyclicBarrier allHere = new CyclicBarrier(2);
    byte[][] addresses = new byte[2][];
    List<FutureTask<Integer>> ranks = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      int number = rank;
      Rendezvous rendezvous =
          (own, size, mine, timeout) -> {
            addresses[own] = mine;
            if (own == 0) {
              int port =
                  Short.toUnsignedInt(
                      ByteBuffer.wrap(mine).order(ByteOrder.nativeOrder()).getShort(PORT));
              knock(port, connections, callers);
            }
            await(allHere);
            return List.of(addresses);
          };
      ranks.add(
          new FutureTask<>(
              () -> {
                try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
                    Group group = Group.gloo(device, number, 2, rendezvous, "127.0.0.1", OPTIONS)) {
                  return group.allGather(new byte[1]).size();
                }
              }));
      Thread.ofPlatform().daemon().start(ranks.getLast());
    }
    for (FutureTask<Integer> rank : ranks) {
      assertThat(rank.get(50, TimeUnit.SECONDS)).isEqualTo(2);
    }
    List<String> lines = log.withWord("while the group was made");
    assertThat(lines).hasSize(11);
    assertThat(lines.subList(0, 10))
        .allMatch(
            line ->
                line.equals(
                    "rank 0 dropped a connection while the group was made:"
                        + " 127.0.0.1 left before it had proved to be of this group"));
    assertThat(lines.getLast())
        .isEqualTo("rank 0 dropped 15 more connections while the group was made");
    for (Socket caller : callers) {
      caller.close();
    }
  }

  private static void knock(int port, int times, List<Socket> callers) {
    try {
      for (int i = 0; i < times; i++) {
        Socket caller = new Socket(InetAddress.getLoopbackAddress(), port);
        caller.shutdownOutput();
        callers.add(caller);
      }
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }
}
