// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import static org.lvxattn.internal.rendezvous.RendezvousProtocol.ADMITTED;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.DOES_NOT_FIT;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.PROOF;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.RANK_GREETING;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.SAYS;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.STEP;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.WHO;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.WHO_BYTES;
import static org.lvxattn.internal.rendezvous.RendezvousProtocol.WRONG_SECRET;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** The server's side of one connection to a rendezvous, from a rank or an unauthenticated peer. */
final class IncomingConnection implements Runnable, Closeable {
  private static final int LINGER_MILLIS = 1000;

  private final RendezvousServer server;
  private final RendezvousConnection connection;
  private final String peer;
  private final long came = System.nanoTime();
  private volatile boolean inTheWay;

  /**
   * The rank that a process claims to be; the identity distinguishes a retry from a second process.
   */
  record Rank(UUID identity, int rank, int size) {}

  /** The peer is not a rank, or disconnected before it proved to be one. */
  private static final class UnauthenticatedPeerException extends IOException {
    private static final long serialVersionUID = 1;

    UnauthenticatedPeerException(String message) {
      super(message);
    }
  }

  IncomingConnection(RendezvousServer server, RendezvousConnection connection) {
    this.server = server;
    this.connection = connection;
    this.peer = connection.peer();
  }

  String peer() {
    return peer;
  }

  @Override
  public void run() {
    Rank rank = null;
    try {
      rank = introduce();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // nobody does that
    } catch (IOException e) {
      if (inTheWay) {
        server.drop(this, "it was not done, and others needed room");
      } else {
        server.drop(this, e instanceof SocketTimeoutException ? "it was too slow" : reason(e));
      }
    } finally {
      server.finished(this);
      if (rank == null) {
        close();
      }
    }
    if (rank != null) {
      stay(rank);
    }
  }

  private static String reason(IOException e) {
    return e.getMessage() == null ? e.toString() : e.getMessage();
  }

  /** The rank, once it is admitted; null if it was refused. */
  private @Nullable Rank introduce() throws IOException, InterruptedException {
    connection.until(came + STEP.toNanos());
    if (!greet() || !prove()) {
      return null;
    }
    Rank rank = who();
    String refusal = server.refusalOf(rank);
    if (refusal == null) {
      byte[] said;
      try {
        RendezvousConnection.Frame frame =
            connection.receive(server.mostBytes(), count -> server.grow(this, count));
        said = require(frame, SAYS).body();
      } catch (RendezvousConnection.TooLongException e) {
        refuse(rank, server.lengthRefusal(e.length()));
        return null;
      }
      synchronized (connection) { // so that nothing else is answered before
        refusal = server.admit(rank, said, this);
        if (refusal == null) {
          welcome(rank);
          return rank;
        }
      }
    }
    refuse(rank, refusal);
    return null;
  }

  private void welcome(Rank rank) throws IOException {
    try {
      connection.send(ADMITTED, new byte[0]);
    } catch (IOException e) {
      server.left(rank, this);
      throw e;
    }
  }

  private boolean greet() throws IOException {
    byte[] greeting = new byte[RANK_GREETING];
    for (int done = 0; done < greeting.length; ) {
      int count = connection.read(greeting, done, greeting.length - done);
      if (count < 0) {
        throw new UnauthenticatedPeerException("it left without saying who it is");
      }
      done += count;
      if (RendezvousProtocol.isFirstVersion(greeting, done) && done > RendezvousProtocol.MAGIC) {
        refuseFirstVersion();
        return false;
      }
      if (!RendezvousProtocol.isRank(greeting, done)
          && !RendezvousProtocol.isFirstVersion(greeting, done)) {
        throw new UnauthenticatedPeerException(
            "it is no rank, and said " + RendezvousProtocol.excerpt(greeting, done));
      }
    }
    byte[] own = RendezvousProtocol.serverGreeting(server.secret());
    connection.write(own);
    if (greeting[RendezvousProtocol.MAGIC] != RendezvousProtocol.VERSION) {
      otherVersion(greeting[RendezvousProtocol.MAGIC]);
      return false;
    }
    connection.keys(new RendezvousKeys(server.secret(), greeting, own, true));
    return true;
  }

  private void otherVersion(int version) throws IOException {
    server.note("a process at " + peer + " with version " + version + " of the rendezvous");
    connection.linger(LINGER_MILLIS);
  }

  /** Answers in the protocol of version 1, so that its user learns what is wrong. */
  private void refuseFirstVersion() throws IOException {
    server.note("a process at " + peer + " with an older version of lvxattn");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream answer = new DataOutputStream(bytes);
    answer.writeByte(1);
    answer.writeInt(-1);
    answer.writeUTF("rank 0 runs a newer version of lvxattn, which this process cannot join");
    connection.write(bytes.toByteArray());
    connection.linger(LINGER_MILLIS);
  }

  /** Whether the peer knows the secret; if so, proves to it that this side does, too. */
  private boolean prove() throws IOException {
    RendezvousConnection.Frame proof;
    try {
      proof = connection.receive(0, count -> {});
    } catch (EOFException e) {
      throw new UnauthenticatedPeerException("it left without a proof that it knows the secret");
    }
    if (proof.type() == PROOF && proof.authentic()) {
      connection.send(PROOF, new byte[0]);
      return true;
    }
    server.drop(this, "it does not know the secret");
    server.note("a process at " + peer + " that does not know the secret");
    connection.refuse(WRONG_SECRET, -1, "");
    connection.linger(LINGER_MILLIS);
    return false;
  }

  private Rank who() throws IOException {
    byte[] body = require(connection.receive(WHO_BYTES, count -> {}), WHO).body();
    if (body.length != WHO_BYTES) {
      throw new UnauthenticatedPeerException("it says who it is in " + body.length + " bytes");
    }
    ByteBuffer words = ByteBuffer.wrap(body);
    UUID identity = new UUID(words.getLong(), words.getLong());
    return new Rank(identity, words.getInt(), words.getInt());
  }

  private static RendezvousConnection.Frame require(RendezvousConnection.Frame frame, byte type)
      throws IOException {
    if (!frame.authentic()) {
      throw new UnauthenticatedPeerException(
          "it sent something that is not from who it said it was");
    }
    if (frame.type() != type) {
      throw new UnauthenticatedPeerException(
          "it sent a message of kind " + frame.type() + ", not " + type);
    }
    return frame;
  }

  private void refuse(Rank rank, String reason) throws IOException {
    server.note(
        "a process at " + peer + " that said it was rank " + rank.rank() + " of " + rank.size());
    connection.refuse(DOES_NOT_FIT, -1, reason);
    connection.linger(LINGER_MILLIS);
  }

  /** Waits until the rank disconnects or the gathering ends; no more data is expected. */
  private void stay(Rank rank) {
    try {
      connection.until(server.lastMoment());
      connection.read(new byte[1], 0, 1);
    } catch (IOException e) {
      // It disconnected or was closed; both end the wait.
    }
    server.left(rank, this);
  }

  /** Sends the result of the gathering to a rank. */
  void answer(byte type, byte[] body) {
    try {
      connection.send(type, body);
      connection.shutdownOutput();
    } catch (IOException e) {
      // The connection failed. If the rank still runs, it retries, fails to connect, and reports
      // that.
    }
  }

  /** Sends a rank the reason why the gathering failed. */
  void answerRefusal(byte reason, int rank, String text) {
    try {
      connection.refuse(reason, rank, text);
      connection.shutdownOutput();
    } catch (IOException e) {
      // as above
    }
  }

  void makeRoom() {
    inTheWay = true;
    close();
  }

  @Override
  public void close() {
    connection.close();
  }
}
