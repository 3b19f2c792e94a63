// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.io.IOException;
import java.net.BindException;
import java.net.SocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.Channel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.ffi.Failures;

/**
 * Rank 0's part of {@link TcpGathering}: serves one gathering. Each connection has its own thread.
 * Only ranks decide how the gathering ends, and no thread or connection outlives it.
 */
final class RendezvousServer {
  /** How long to retry binding: a local connection may use the port for a moment. */
  private static final Duration BIND_PATIENCE = Duration.ofSeconds(1);

  /** How long ranks have to read their answers. */
  private static final Duration ANSWER_PATIENCE = Duration.ofSeconds(1);

  /** How long to wait until the end of a connection is noticed. */
  private static final Duration END_PATIENCE = Duration.ofMillis(500);

  private static final int RETRY_MILLIS = 50;
  private static final int BACKLOG = 1024;
  private static final int MOST_NAMES = 16;
  private static final int MOST_NOTES = 4;

  private final SocketAddress address;
  private final int port;
  private final int size;
  private final byte[] mine;
  private final boolean sameLength;
  private final @Nullable String secret;
  private final Duration timeout;
  private final long expiry;

  private final TreeMap<Integer, Arrival> arrivals = new TreeMap<>();
  private final PendingConnections pending;
  private final DroppedConnections droppedConnections;

  /** Notes on refused processes, for the message if ranks are missing. */
  private final Set<String> notes = new LinkedHashSet<>();

  private boolean ended;

  /** A rank that has arrived. */
  private static final class Arrival {
    final IncomingConnection.Rank rank;
    final byte[] said;
    final IncomingConnection connection;

    Arrival(IncomingConnection.Rank rank, byte[] said, IncomingConnection connection) {
      this.rank = rank;
      this.said = said;
      this.connection = connection;
    }
  }

  /**
   * Prepares to serve at an address.
   *
   * @param sameLength whether all ranks' messages must have the same length as this rank's
   * @param expiry when to give up, by {@link System#nanoTime}
   * @param timeout the same as a duration, for messages
   */
  RendezvousServer(
      SocketAddress address,
      int port,
      int size,
      byte[] mine,
      boolean sameLength,
      @Nullable String secret,
      long expiry,
      Duration timeout) {
    this.address = address;
    this.port = port;
    this.size = size;
    this.mine = mine.clone();
    this.sameLength = sameLength;
    this.secret = secret;
    this.expiry = expiry;
    this.timeout = timeout;
    this.pending = new PendingConnections(size);
    this.droppedConnections = new DroppedConnections(port);
  }

  List<byte[]> gather() throws InterruptedException {
    if (size == 1) {
      return List.of(mine);
    }
    try (ServerSocketChannel server = bind()) {
      Thread.ofVirtual().name("lvxattn-rendezvous-port").start(() -> accept(server));
      awaitAll();
    } catch (IOException e) {
      // Closing the port failed: the result stands.
    } catch (InterruptedException e) {
      end();
      answerAll(
          arrival ->
              arrival.answerRefusal(
                  RendezvousProtocol.DOES_NOT_FIT, 0, "rank 0 was interrupted in the rendezvous"));
      throw e;
    } finally {
      end();
      pending.end();
      droppedConnections.end();
    }
    return answer();
  }

  private ServerSocketChannel bind() throws InterruptedException {
    long latest = Math.min(expiry, System.nanoTime() + BIND_PATIENCE.toNanos());
    while (true) {
      ServerSocketChannel server = null;
      try {
        server = ServerSocketChannel.open();
        server.setOption(StandardSocketOptions.SO_REUSEADDR, true);
        return server.bind(address, BACKLOG);
      } catch (IOException e) {
        closeQuietly(server);
        if (!(e instanceof BindException) || System.nanoTime() - latest >= 0) {
          throw Failures.join(
              "rank 0 cannot serve the rendezvous on port "
                  + port
                  + ": "
                  + e.getMessage()
                  + "; is another rank 0, of this job or an earlier one, or another program there?",
              0);
        }
        Thread.sleep(RETRY_MILLIS);
      }
    }
  }

  private void accept(ServerSocketChannel server) {
    while (true) {
      SocketChannel channel = null;
      try {
        channel = server.accept();
        IncomingConnection connection =
            new IncomingConnection(this, new RendezvousConnection(channel));
        if (!pending.add(connection)) {
          connection.close();
        } else {
          Thread.ofVirtual().name("lvxattn-rendezvous-connection").start(connection);
        }
      } catch (ClosedChannelException e) {
        closeQuietly(channel);
        if (!server.isOpen()) {
          return;
        }
      } catch (IOException e) {
        // The peer has disconnected, or this process has no file descriptors left.
        closeQuietly(channel);
        pending.dropOldest();
        try {
          Thread.sleep(RETRY_MILLIS);
        } catch (InterruptedException interrupt) {
          return; // not expected: nothing interrupts this thread
        }
      }
    }
  }

  private synchronized void awaitAll() throws InterruptedException {
    while (arrivals.size() < size - 1) {
      long left = expiry - System.nanoTime();
      if (left <= 0) {
        break;
      }
      wait(left / 1_000_000 + 1);
    }
    ended = true;
  }

  private synchronized void end() {
    ended = true;
  }

  @Nullable String secret() {
    return secret;
  }

  /** Largest size of a rank's message, in bytes. */
  int mostBytes() {
    return sameLength ? mine.length : RendezvousProtocol.mostBytes(size);
  }

  /** Latest end of the gathering, answers included. */
  long lastMoment() {
    return expiry + ANSWER_PATIENCE.toNanos();
  }

  void grow(IncomingConnection connection, int bytes) {
    pending.grow(connection, bytes);
  }

  void finished(IncomingConnection connection) {
    pending.remove(connection);
  }

  void drop(IncomingConnection connection, String reason) {
    synchronized (this) {
      if (ended) {
        return;
      }
    }
    droppedConnections.drop(connection.peer(), reason);
  }

  synchronized void note(String who) {
    if (notes.size() < MOST_NOTES) {
      notes.add(who);
    }
  }

  /** Why a process cannot be one of the ranks, or null if it can. */
  @Nullable String refusalOf(IncomingConnection.Rank rank) {
    if (rank.size() == size && rank.rank() >= 1 && rank.rank() < size) {
      return null;
    }
    return "this process says it is rank "
        + rank.rank()
        + " of "
        + rank.size()
        + "; rank 0 expected "
        + (size == 2 ? "rank 1 of 2" : "ranks 1 to " + (size - 1) + " of " + size);
  }

  /** Why a process whose message has the given length cannot be one of the ranks. */
  String lengthRefusal(int bytes) {
    return sameLength
        ? "this process has an address of "
            + bytes
            + " bytes, rank 0 one of "
            + mine.length
            + ": they run different versions of lvxattn, or join by different backends"
        : "this process says "
            + Integer.toUnsignedString(bytes)
            + " bytes; at most "
            + mostBytes()
            + " were expected";
  }

  /**
   * Waits for the previous connection of a rank to end: a process that was restarted may arrive
   * before its old connection's end is noticed.
   */
  private void awaitEndOfOther(IncomingConnection.Rank rank) throws InterruptedException {
    long latest = System.nanoTime() + END_PATIENCE.toNanos();
    for (long left = 1; left > 0 && !ended; left = latest - System.nanoTime()) {
      Arrival before = arrivals.get(rank.rank());
      if (before == null || before.rank.identity().equals(rank.identity())) {
        return;
      }
      wait(RendezvousConnection.millisUntil(latest));
    }
  }

  /** Admits a rank, or returns the reason why not. */
  synchronized @Nullable String admit(
      IncomingConnection.Rank rank, byte[] said, IncomingConnection connection)
      throws InterruptedException {
    awaitEndOfOther(rank);
    if (ended) {
      return "the rendezvous had ended when rank " + rank.rank() + " came";
    }
    if (sameLength && said.length != mine.length) {
      return lengthRefusal(said.length);
    }
    Arrival before = arrivals.get(rank.rank());
    if (before != null && !before.rank.identity().equals(rank.identity())) {
      return "two processes say they are rank "
          + rank.rank()
          + ": the other came first, from "
          + before.connection.peer();
    }
    arrivals.put(rank.rank(), new Arrival(rank, said, connection));
    pending.remove(connection);
    if (before != null) {
      before.connection.close(); // a retry: its first connection failed
    }
    notifyAll();
    return null;
  }

  /** A rank's connection ended: its process may have died, and another process may replace it. */
  void left(IncomingConnection.Rank rank, IncomingConnection connection) {
    synchronized (this) {
      Arrival arrival = arrivals.get(rank.rank());
      if (!ended && arrival != null && arrival.connection == connection) {
        arrivals.remove(rank.rank());
        notifyAll();
        note("rank " + rank.rank() + " from " + connection.peer() + ", which came and went again");
      }
    }
    connection.close();
  }

  private List<byte[]> answer() throws InterruptedException {
    List<Integer> missing =
        IntStream.range(1, size).filter(rank -> !arrivals.containsKey(rank)).boxed().toList();
    if (!missing.isEmpty()) {
      String reason = reason(missing);
      answerAll(
          arrival ->
              arrival.answerRefusal(RendezvousProtocol.TIMED_OUT, missing.getFirst(), reason));
      throw Failures.timeout(reason, missing.getFirst());
    }
    List<byte[]> said = new ArrayList<>(List.of(mine));
    arrivals.values().forEach(arrival -> said.add(arrival.said));
    byte[] body = bodyOf(said);
    answerAll(arrival -> arrival.answer(RendezvousProtocol.GATHERED, body));
    return said;
  }

  private String reason(List<Integer> missing) {
    String names =
        missing.stream().limit(MOST_NAMES).map(String::valueOf).collect(Collectors.joining(", "));
    int more = missing.size() - MOST_NAMES;
    StringBuilder text =
        new StringBuilder(missing.size() == 1 ? "rank " : "ranks ")
            .append(names)
            .append(more > 0 ? " and " + more + " more" : "")
            .append(" did not come to the rendezvous on port ")
            .append(port)
            .append(" within ")
            .append(RendezvousProtocol.seconds(timeout));
    synchronized (this) {
      if (!notes.isEmpty()) {
        text.append("; not counted: ").append(String.join("; ", notes));
      }
    }
    long dropped = droppedConnections.dropped();
    if (dropped > 0) {
      text.append("; ")
          .append(dropped)
          .append(dropped == 1 ? " connection was" : " connections were")
          .append(" dropped, which the log gives reasons for");
    }
    return text.toString();
  }

  private static byte[] bodyOf(List<byte[]> said) {
    long bytes = said.stream().mapToLong(each -> 4L + each.length).sum();
    ByteBuffer body = ByteBuffer.allocate(Math.toIntExact(bytes));
    said.forEach(each -> body.putInt(each.length).put(each));
    return body.array();
  }

  /** Sends the final answer to a rank. */
  @FunctionalInterface
  private interface Answer {
    void to(IncomingConnection arrival);
  }

  /** Answers each rank on its own thread, so that one that does not read delays no other. */
  private void answerAll(Answer answer) throws InterruptedException {
    List<IncomingConnection> present =
        arrivals.values().stream().map(arrival -> arrival.connection).toList();
    List<Thread> threads = new ArrayList<>();
    for (IncomingConnection arrival : present) {
      threads.add(
          Thread.ofVirtual().name("lvxattn-rendezvous-answer").start(() -> answer.to(arrival)));
    }
    long latest = Math.max(expiry, System.nanoTime() + ANSWER_PATIENCE.toNanos());
    try {
      for (Thread thread : threads) {
        thread.join(RendezvousConnection.millisUntil(latest));
      }
    } finally {
      present.forEach(IncomingConnection::close);
    }
  }

  private static void closeQuietly(@Nullable Channel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      // Ignored: the channel is not needed any more.
    }
  }
}
