// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

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

/**
 * Rank 0's part of {@link TcpRendezvous}: serves one gathering. Whoever connects is answered alone;
 * nobody but the ranks decides how the gathering ends, and nothing outlives it.
 */
final class RendezvousServer {
  /** A connection of the machine's own may have taken the port for a moment. */
  private static final Duration BIND_PATIENCE = Duration.ofSeconds(1);

  /** For ranks to take their answers. */
  private static final Duration ANSWER_PATIENCE = Duration.ofSeconds(1);

  /** For the end of a connection to be noticed. */
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

  private final TreeMap<Integer, Guest> guests = new TreeMap<>();
  private final UnfinishedVisitors unfinished;
  private final StrangerLog strangers;

  /** Who was refused, for when ranks are missing in the end. */
  private final Set<String> notes = new LinkedHashSet<>();

  private boolean ended;

  /** A rank that has come. */
  private static final class Guest {
    final RendezvousVisitor.Rank rank;
    final byte[] said;
    final RendezvousVisitor visitor;

    Guest(RendezvousVisitor.Rank rank, byte[] said, RendezvousVisitor visitor) {
      this.rank = rank;
      this.said = said;
      this.visitor = visitor;
    }
  }

  /**
   * Serves at an address.
   *
   * @param sameLength whether all ranks say as many bytes as this one
   * @param expiry when it is too late, by {@link System#nanoTime}
   * @param timeout what that was as a duration, for messages
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
    this.unfinished = new UnfinishedVisitors(size);
    this.strangers = new StrangerLog(port);
  }

  List<byte[]> gather() throws InterruptedException {
    if (size == 1) {
      return List.of(mine);
    }
    try (ServerSocketChannel server = bind()) {
      Thread.ofVirtual().start(() -> accept(server));
      awaitAll();
    } catch (IOException e) {
      // Of closing the port: everything is decided already.
    } catch (InterruptedException e) {
      end();
      answerAll(
          guest ->
              guest.answerRefusal(
                  RendezvousProtocol.DOES_NOT_FIT, 0, "rank 0 was interrupted in the rendezvous"));
      throw e;
    } finally {
      end();
      unfinished.end();
      strangers.end();
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
          throw new GroupJoinException(
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
        RendezvousVisitor visitor = new RendezvousVisitor(this, new RendezvousConnection(channel));
        if (!unfinished.add(visitor)) {
          visitor.close();
        } else {
          Thread.ofVirtual().start(visitor);
        }
      } catch (ClosedChannelException e) {
        closeQuietly(channel);
        if (!server.isOpen()) {
          return;
        }
      } catch (IOException e) {
        // Whoever came has gone, or this process has no descriptors left for it.
        closeQuietly(channel);
        unfinished.dropOldest();
        try {
          Thread.sleep(RETRY_MILLIS);
        } catch (InterruptedException interrupt) {
          return; // nobody does that
        }
      }
    }
  }

  private synchronized void awaitAll() throws InterruptedException {
    while (guests.size() < size - 1) {
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

  /** What a rank may say at most, in bytes. */
  int mostBytes() {
    return sameLength ? mine.length : RendezvousProtocol.mostBytes(size);
  }

  /** When the gathering, with its answers, is over at the latest. */
  long lastMoment() {
    return expiry + ANSWER_PATIENCE.toNanos();
  }

  void grow(RendezvousVisitor visitor, int bytes) {
    unfinished.grow(visitor, bytes);
  }

  void finished(RendezvousVisitor visitor) {
    unfinished.remove(visitor);
  }

  void drop(RendezvousVisitor visitor, String reason) {
    synchronized (this) {
      if (ended) {
        return;
      }
    }
    strangers.drop(visitor.peer(), reason);
  }

  synchronized void note(String who) {
    if (notes.size() < MOST_NOTES) {
      notes.add(who);
    }
  }

  /** Why somebody cannot be one of the ranks, or null. */
  @Nullable String refusalOf(RendezvousVisitor.Rank rank) {
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

  /** Why somebody who says so many bytes cannot be one of the ranks. */
  String lengthRefusal(int bytes) {
    return sameLength
        ? "this process has an address of "
            + bytes
            + " bytes, rank 0 one of "
            + mine.length
            + ": they run different versions of lvxattn, or join by different engines"
        : "this process says "
            + Integer.toUnsignedString(bytes)
            + " bytes; at most "
            + mostBytes()
            + " were expected";
  }

  /** Of one who died a moment ago and was started again: its end may still be on its way. */
  private void awaitEndOfOther(RendezvousVisitor.Rank rank) throws InterruptedException {
    long latest = System.nanoTime() + END_PATIENCE.toNanos();
    for (long left = 1; left > 0 && !ended; left = latest - System.nanoTime()) {
      Guest before = guests.get(rank.rank());
      if (before == null || before.rank.identity().equals(rank.identity())) {
        return;
      }
      wait(RendezvousConnection.millisUntil(latest));
    }
  }

  /** Takes a rank in, or says why not. */
  synchronized @Nullable String admit(
      RendezvousVisitor.Rank rank, byte[] said, RendezvousVisitor visitor)
      throws InterruptedException {
    awaitEndOfOther(rank);
    if (ended) {
      return "the rendezvous had ended when rank " + rank.rank() + " came";
    }
    if (sameLength && said.length != mine.length) {
      return lengthRefusal(said.length);
    }
    Guest before = guests.get(rank.rank());
    if (before != null && !before.rank.identity().equals(rank.identity())) {
      return "two processes say they are rank "
          + rank.rank()
          + ": the other came first, from "
          + before.visitor.peer();
    }
    guests.put(rank.rank(), new Guest(rank, said, visitor));
    unfinished.remove(visitor);
    if (before != null) {
      before.visitor.close(); // it tries again: its first connection failed
    }
    notifyAll();
    return null;
  }

  /** A rank's connection ended: its process may have died, and another may take its place. */
  void left(RendezvousVisitor.Rank rank, RendezvousVisitor visitor) {
    synchronized (this) {
      Guest guest = guests.get(rank.rank());
      if (!ended && guest != null && guest.visitor == visitor) {
        guests.remove(rank.rank());
        notifyAll();
        note("rank " + rank.rank() + " from " + visitor.peer() + ", which came and went again");
      }
    }
    visitor.close();
  }

  private List<byte[]> answer() throws InterruptedException {
    List<Integer> missing =
        IntStream.range(1, size).filter(rank -> !guests.containsKey(rank)).boxed().toList();
    if (!missing.isEmpty()) {
      String reason = reason(missing);
      answerAll(
          guest -> guest.answerRefusal(RendezvousProtocol.TIMED_OUT, missing.getFirst(), reason));
      throw new DeadlineExceededException(reason, missing.getFirst(), 0, "rendezvous");
    }
    List<byte[]> said = new ArrayList<>(List.of(mine));
    guests.values().forEach(guest -> said.add(guest.said));
    byte[] body = bodyOf(said);
    answerAll(guest -> guest.answer(RendezvousProtocol.GATHERED, body));
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
    long dropped = strangers.dropped();
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

  /** What a rank is told at the end. */
  @FunctionalInterface
  private interface Answer {
    void to(RendezvousVisitor guest);
  }

  /** Each by a thread of its own, so that one that does not listen holds up nobody. */
  private void answerAll(Answer answer) throws InterruptedException {
    List<RendezvousVisitor> present = guests.values().stream().map(guest -> guest.visitor).toList();
    List<Thread> threads = new ArrayList<>();
    for (RendezvousVisitor guest : present) {
      threads.add(Thread.ofVirtual().start(() -> answer.to(guest)));
    }
    long latest = Math.max(expiry, System.nanoTime() + ANSWER_PATIENCE.toNanos());
    try {
      for (Thread thread : threads) {
        thread.join(RendezvousConnection.millisUntil(latest));
      }
    } finally {
      present.forEach(RendezvousVisitor::close);
    }
  }

  private static void closeQuietly(@Nullable Channel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      // Nothing is lost: it was to be dropped.
    }
  }
}
