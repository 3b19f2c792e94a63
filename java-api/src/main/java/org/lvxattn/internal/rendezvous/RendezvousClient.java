// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import static org.lvxattn.internal.rendezvous.RendezvousProtocol.ADMITTED;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.GATHERED;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.MAGIC;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.PROOF;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.REFUSAL_BYTES;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.REFUSED;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.SAYS;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.SERVER_GREETING;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.STEP;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.TIMED_OUT;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.VERSION;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.WHO;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.WHO_BYTES;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.WRONG_SECRET;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.ffi.Failures;

/** The part of the other ranks in {@link TcpGathering}: takes part in one gathering. */
final class RendezvousClient {
  /** Extra wait: the server knows which rank is missing, so it should give up first and say so. */
  private static final Duration PATIENCE_WITH_SERVER = Duration.ofSeconds(1);

  private static final int CONNECT_MILLIS = 2000;
  private static final int RETRY_MILLIS = 50;

  /** How often another service may answer before this gives up: it may be about to exit. */
  private static final int MOST_FOREIGN = 3;

  private static final int FOREIGN_RETRY_MILLIS = 300;

  /** Distinguishes a process that retries from a second process with the same rank. */
  private final byte[] identity = RendezvousProtocol.random(WHO_BYTES - 8);

  private final TcpGathering server;
  private final @Nullable String secret;
  private final int rank;
  private final int size;
  private final byte[] mine;
  private final boolean sameLength;
  private final long expiry;
  private final Duration timeout;
  private int foreign;

  /** The service at rank 0's address is not a rendezvous. */
  private static final class ForeignException extends IOException {
    private static final long serialVersionUID = 1;

    ForeignException(String message) {
      super(message);
    }
  }

  /** Other ranks are missing: this rank was admitted, but the gathering did not finish. */
  private static final class OthersMissingException extends IOException {
    private static final long serialVersionUID = 1;
  }

  RendezvousClient(
      TcpGathering server,
      @Nullable String secret,
      int rank,
      int size,
      byte[] mine,
      boolean sameLength,
      long expiry,
      Duration timeout) {
    this.server = server;
    this.secret = secret;
    this.rank = rank;
    this.size = size;
    this.mine = mine.clone();
    this.sameLength = sameLength;
    this.expiry = expiry + PATIENCE_WITH_SERVER.toNanos();
    this.timeout = timeout;
  }

  /** The messages of all ranks, in rank order. */
  List<byte[]> gather() throws InterruptedException {
    while (true) {
      IOException failure;
      try {
        return attempt();
      } catch (ClosedByInterruptException e) {
        throw new InterruptedException();
      } catch (IOException e) {
        failure = e;
      }
      boolean otherProgram = failure instanceof ForeignException;
      if (otherProgram && ++foreign == MOST_FOREIGN) {
        throw Failures.join(
            server.where()
                + " is served by something that is no rendezvous of lvxattn ("
                + failure.getMessage()
                + ")",
            0);
      }
      // Rank 0 may not have started yet, or may still be closing an earlier rendezvous.
      if (System.nanoTime() - expiry >= 0) {
        throw late(failure);
      }
      Thread.sleep(otherProgram ? FOREIGN_RETRY_MILLIS : RETRY_MILLIS);
    }
  }

  private RuntimeException late(IOException failure) {
    String within = " within " + RendezvousProtocol.seconds(timeout);
    String message =
        failure instanceof OthersMissingException
            ? "the other ranks did not all come to the rendezvous at "
                + server.where()
                + within
                + "; rank 0, which knows who is missing, waits longer than this rank"
            : "rank 0 did not hold the rendezvous at "
                + server.where()
                + within
                + " ("
                + RendezvousProtocol.harmless(String.valueOf(failure.getMessage()))
                + ")";
    return Failures.timeout(message, 0);
  }

  private List<byte[]> attempt() throws IOException, InterruptedException {
    try (RendezvousConnection connection = connect()) {
      greet(connection);
      connection.send(PROOF, new byte[0]);
      // A server that does not know the secret must not learn anything else.
      step(connection);
      expect(connection, PROOF, 0);
      connection.send(
          WHO, ByteBuffer.allocate(WHO_BYTES).put(identity).putInt(rank).putInt(size).array());
      connection.send(SAYS, mine);
      step(connection);
      expect(connection, ADMITTED, 0);
      connection.until(expiry);
      try {
        return parts(expect(connection, GATHERED, mostBytesOfAll()));
      } catch (SocketTimeoutException e) {
        throw new OthersMissingException();
      }
    }
  }

  private void step(RendezvousConnection connection) {
    connection.until(earlier(System.nanoTime() + STEP.toNanos(), expiry));
  }

  private static long earlier(long a, long b) {
    return a - b < 0 ? a : b;
  }

  /** Connects to the first of rank 0's addresses that accepts a connection. */
  private RendezvousConnection connect() throws IOException, InterruptedException {
    IOException failure = null;
    for (InetAddress address : server.lookup().find(server.host(), expiry)) {
      SocketChannel channel = SocketChannel.open();
      try {
        int patience = Math.min(CONNECT_MILLIS, RendezvousConnection.millisUntil(expiry));
        channel.socket().connect(new InetSocketAddress(address, server.port()), patience);
        RendezvousConnection connection = new RendezvousConnection(channel);
        if (connection.isToItself()) {
          throw new IOException("no process listens there");
        }
        return connection;
      } catch (ClosedByInterruptException e) {
        throw e;
      } catch (IOException e) {
        channel.close();
        failure = e;
      }
    }
    throw failure != null ? failure : new IOException("it has no address");
  }

  private void greet(RendezvousConnection connection) throws IOException {
    byte[] own = RendezvousProtocol.rankGreeting();
    byte[] theirs = new byte[SERVER_GREETING];
    step(connection);
    int done = 0;
    try {
      connection.write(own);
      while (done < theirs.length) {
        int count = connection.read(theirs, done, theirs.length - done);
        if (count < 0) {
          throw new EOFException("it closed the connection without an answer");
        }
        done += count;
        if (!RendezvousProtocol.isServer(theirs, done)) {
          throw new ForeignException("it answered " + RendezvousProtocol.excerpt(theirs, done));
        }
        if (done > MAGIC && theirs[MAGIC] != VERSION) {
          throw Failures.join(
              "rank 0 at "
                  + server.where()
                  + " speaks version "
                  + theirs[MAGIC]
                  + " of the rendezvous, this rank version "
                  + VERSION
                  + ": they run different versions of lvxattn",
              0);
        }
      }
    } catch (SocketTimeoutException e) {
      throw new ForeignException("it accepted the connection and said nothing");
    }
    requireMode(theirs[MAGIC + 1] == RendezvousProtocol.SECRET);
    connection.keys(new RendezvousKeys(secret, own, theirs, false));
  }

  private void requireMode(boolean asksForSecret) {
    if (asksForSecret && secret == null) {
      throw Failures.join(
          "rank 0 at "
              + server.where()
              + " asks for a secret, and this rank was given none; set the environment variable"
              + " LVX_SECRET, or the secret of GroupOptions, alike on all ranks",
          0);
    }
    if (!asksForSecret && secret != null) {
      throw Failures.join(
          "this rank was given a secret, and what serves "
              + server.where()
              + " asks for none; set the environment variable LVX_SECRET, or"
              + " the secret of GroupOptions, alike on all ranks",
          0);
    }
  }

  private byte[] expect(RendezvousConnection connection, byte type, int most) throws IOException {
    RendezvousConnection.Frame frame =
        connection.receive(Math.max(most, REFUSAL_BYTES), count -> {});
    if (frame.type() == REFUSED && frame.body().length >= 5) {
      refused(frame, type == PROOF);
    }
    if (type == PROOF && !frame.authentic()) {
      throw Failures.join(
          "what serves " + server.where() + " does not know the secret of this rank", 0);
    }
    if (frame.type() != type || !frame.authentic()) {
      throw new IOException("a message was corrupted or modified in transit");
    }
    return frame.body();
  }

  /** A refusal without a proof is accepted only if it says that the secrets differ. */
  private void refused(RendezvousConnection.Frame frame, boolean unproved) throws IOException {
    ByteBuffer body = ByteBuffer.wrap(frame.body());
    byte reason = body.get();
    int culprit = body.getInt();
    String text = StandardCharsets.UTF_8.decode(body).toString();
    if (reason == WRONG_SECRET && unproved) {
      throw Failures.join(
          "rank 0 at "
              + server.where()
              + " has another secret than this rank; set the environment variable LVX_SECRET, or"
              + " the secret of GroupOptions, alike on all ranks",
          0);
    }
    if (!frame.authentic()) {
      throw new IOException("a refusal was corrupted or modified in transit");
    }
    if (reason == TIMED_OUT) {
      throw Failures.timeout(RendezvousProtocol.harmless(text), culprit);
    }
    throw Failures.join(
        "rank 0 at " + server.where() + " refused: " + RendezvousProtocol.harmless(text), culprit);
  }

  private int mostBytesOfAll() {
    long each = 4L + (sameLength ? mine.length : RendezvousProtocol.mostBytes(size));
    return (int) Math.min(Integer.MAX_VALUE - 64, each * size);
  }

  private List<byte[]> parts(byte[] body) throws IOException {
    ByteBuffer rest = ByteBuffer.wrap(body);
    List<byte[]> parts = new ArrayList<>();
    while (parts.size() < size) {
      int length = rest.remaining() < 4 ? -1 : rest.getInt();
      if (length < 0 || length > rest.remaining()) {
        throw new IOException("rank 0 gave " + parts.size() + " messages of " + size);
      }
      byte[] part = new byte[length];
      rest.get(part);
      parts.add(part);
    }
    return parts;
  }
}
