// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.lvxattn.RendezvousProtocol.ADMITTED;
import static org.lvxattn.RendezvousProtocol.GATHERED;
import static org.lvxattn.RendezvousProtocol.MAGIC;
import static org.lvxattn.RendezvousProtocol.PROOF;
import static org.lvxattn.RendezvousProtocol.REFUSAL_BYTES;
import static org.lvxattn.RendezvousProtocol.REFUSED;
import static org.lvxattn.RendezvousProtocol.SAYS;
import static org.lvxattn.RendezvousProtocol.SERVER_GREETING;
import static org.lvxattn.RendezvousProtocol.STEP;
import static org.lvxattn.RendezvousProtocol.TIMED_OUT;
import static org.lvxattn.RendezvousProtocol.VERSION;
import static org.lvxattn.RendezvousProtocol.WHO;
import static org.lvxattn.RendezvousProtocol.WHO_BYTES;
import static org.lvxattn.RendezvousProtocol.WRONG_SECRET;

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

/** Every other rank's part of {@link TcpRendezvous}: comes to one gathering. */
final class RendezvousClient {
  /** The server, who knows which rank is missing, ends first and says so. */
  private static final Duration PATIENCE_WITH_SERVER = Duration.ofSeconds(1);

  private static final int CONNECT_MILLIS = 2000;
  private static final int RETRY_MILLIS = 50;

  /** How often something that is no rendezvous may answer: it may be about to go. */
  private static final int MOST_FOREIGN = 3;

  private static final int FOREIGN_RETRY_MILLIS = 300;

  /** Tells a process that tries again from a second one that believes to be the same rank. */
  private final byte[] identity = RendezvousProtocol.random(WHO_BYTES - 8);

  private final TcpRendezvous place;
  private final @Nullable String secret;
  private final int rank;
  private final int size;
  private final byte[] mine;
  private final boolean sameLength;
  private final long expiry;
  private final Duration timeout;
  private int foreign;

  /** What is at rank 0's address is no rendezvous. */
  private static final class ForeignException extends IOException {
    private static final long serialVersionUID = 1;

    ForeignException(String message) {
      super(message);
    }
  }

  /** The ranks cannot have finished: this one was admitted, and waited. */
  private static final class OthersMissingException extends IOException {
    private static final long serialVersionUID = 1;
  }

  RendezvousClient(
      TcpRendezvous place,
      @Nullable String secret,
      int rank,
      int size,
      byte[] mine,
      boolean sameLength,
      long expiry,
      Duration timeout) {
    this.place = place;
    this.secret = secret;
    this.rank = rank;
    this.size = size;
    this.mine = mine.clone();
    this.sameLength = sameLength;
    this.expiry = expiry + PATIENCE_WITH_SERVER.toNanos();
    this.timeout = timeout;
  }

  /** What all have said, in rank order. */
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
      boolean stranger = failure instanceof ForeignException;
      if (stranger && ++foreign == MOST_FOREIGN) {
        throw new GroupJoinException(
            place.where()
                + " is served by something that is no rendezvous of lvxattn ("
                + failure.getMessage()
                + ")",
            0);
      }
      // Rank 0 may not be there yet, or still close an earlier rendezvous.
      if (System.nanoTime() - expiry >= 0) {
        throw late(failure);
      }
      Thread.sleep(stranger ? FOREIGN_RETRY_MILLIS : RETRY_MILLIS);
    }
  }

  private DeadlineExceededException late(IOException failure) {
    String within = " within " + RendezvousProtocol.seconds(timeout);
    String message =
        failure instanceof OthersMissingException
            ? "the other ranks did not all come to the rendezvous at "
                + place.where()
                + within
                + "; rank 0, which knows who is missing, waits longer than this rank"
            : "rank 0 did not hold the rendezvous at "
                + place.where()
                + within
                + " ("
                + RendezvousProtocol.harmless(String.valueOf(failure.getMessage()))
                + ")";
    return new DeadlineExceededException(message, 0, 0, "rendezvous");
  }

  private List<byte[]> attempt() throws IOException, InterruptedException {
    try (RendezvousConnection connection = connect()) {
      greet(connection);
      connection.send(PROOF, new byte[0]);
      // What does not know the secret does not get to know anything else.
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

  /** By the first of rank 0's addresses at which somebody listens. */
  private RendezvousConnection connect() throws IOException, InterruptedException {
    IOException failure = null;
    for (InetAddress address : place.lookup().find(place.host(), expiry)) {
      SocketChannel channel = SocketChannel.open();
      try {
        int patience = Math.min(CONNECT_MILLIS, RendezvousConnection.millisUntil(expiry));
        channel.socket().connect(new InetSocketAddress(address, place.port()), patience);
        RendezvousConnection connection = new RendezvousConnection(channel);
        if (connection.isToItself()) {
          throw new IOException("nobody listens there");
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
          throw new GroupJoinException(
              "rank 0 at "
                  + place.where()
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
      throw new GroupJoinException(
          "rank 0 at "
              + place.where()
              + " asks for a secret, and this rank was given none; set the environment variable"
              + " LVX_SECRET, or GroupOptions.withSecret, alike on all ranks",
          0);
    }
    if (!asksForSecret && secret != null) {
      throw new GroupJoinException(
          "this rank was given a secret, and what serves "
              + place.where()
              + " asks for none; set the environment variable LVX_SECRET, or"
              + " GroupOptions.withSecret, alike on all ranks",
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
      throw new GroupJoinException(
          "what serves " + place.where() + " does not know the secret of this rank", 0);
    }
    if (frame.type() != type || !frame.authentic()) {
      throw new IOException("a message was damaged or changed on its way");
    }
    return frame.body();
  }

  /** Only whoever could not know our secret may say so without a proof. */
  private void refused(RendezvousConnection.Frame frame, boolean unproved) throws IOException {
    ByteBuffer body = ByteBuffer.wrap(frame.body());
    byte reason = body.get();
    int culprit = body.getInt();
    String text = StandardCharsets.UTF_8.decode(body).toString();
    if (reason == WRONG_SECRET && unproved) {
      throw new GroupJoinException(
          "rank 0 at "
              + place.where()
              + " has another secret than this rank; set the environment variable LVX_SECRET, or"
              + " GroupOptions.withSecret, alike on all ranks",
          0);
    }
    if (!frame.authentic()) {
      throw new IOException("a refusal was damaged or changed on its way");
    }
    if (reason == TIMED_OUT) {
      throw new DeadlineExceededException(
          RendezvousProtocol.harmless(text), culprit, 0, "rendezvous");
    }
    throw new GroupJoinException(
        "rank 0 at " + place.where() + " refused: " + RendezvousProtocol.harmless(text), culprit);
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
