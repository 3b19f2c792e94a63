// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** A peer at the port of a rendezvous that follows the protocol up to some point. */
final class HostilePeer implements Closeable {
  /** Its behaviour; each kind ends with a closed connection. */
  enum Kind {
    SAYS_NOTHING,
    RESETS,
    GARBAGE,
    HTTP,
    SLOW,
    ONLY_GREETS,
    WRONG_PROOF,
    LONG_PROOF,
    REPLAYS,
    REFLECTS,
    OTHER_SECRET,
    NO_SECRET,
    OLD_AND_LYING,
    OTHER_VERSION,
    RANK_99_OF_100,
    NO_RANK,
    HALF_AN_ADDRESS,
    LYING_ABOUT_LENGTH
  }

  final SocketChannel channel;
  final RendezvousConnection connection;
  final byte[] greeting = RendezvousProtocol.rankGreeting();
  final byte[] answered = new byte[RendezvousProtocol.SERVER_GREETING];

  HostilePeer(int port) throws IOException {
    channel = SocketChannel.open(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    connection = new RendezvousConnection(channel);
    connection.until(System.nanoTime() + 20_000_000_000L);
  }

  /** Exchanges greetings. */
  HostilePeer greet(@Nullable String secret) throws IOException {
    connection.write(greeting);
    connection.readFully(answered, 0, answered.length);
    connection.keys(new RendezvousKeys(secret, greeting, answered, false));
    return this;
  }

  /** Exchanges proofs, as a rank does. */
  HostilePeer prove(@Nullable String secret) throws IOException {
    greet(secret);
    connection.send(RendezvousProtocol.PROOF, new byte[0]);
    connection.receive(RendezvousProtocol.REFUSAL_BYTES, count -> {});
    return this;
  }

  HostilePeer who(int rank, int size) throws IOException {
    byte[] body =
        ByteBuffer.allocate(RendezvousProtocol.WHO_BYTES)
            .put(RendezvousProtocol.random(16))
            .putInt(rank)
            .putInt(size)
            .array();
    connection.send(RendezvousProtocol.WHO, body);
    return this;
  }

  /** Begins a message of the given length, but sends only some of its bytes. */
  HostilePeer begin(int length, int come) throws IOException {
    connection.write(
        ByteBuffer.allocate(5 + come).put(RendezvousProtocol.SAYS).putInt(length).array());
    return this;
  }

  /** The type of the next frame, or -1 if the connection was ended. */
  int answer() throws IOException {
    try {
      return connection.receive(1 << 20, count -> {}).type();
    } catch (IOException e) {
      return -1;
    }
  }

  /** Acts as the given kind; ignores failures. */
  void act(Kind kind, @Nullable String secret, int size, Random random) throws IOException {
    switch (kind) {
      case SAYS_NOTHING -> {}
      case RESETS -> {
        channel.setOption(StandardSocketOptions.SO_LINGER, 0);
        channel.close();
      }
      case GARBAGE -> {
        byte[] bytes = new byte[random.nextInt(1, 4000)];
        random.nextBytes(bytes);
        connection.write(bytes);
      }
      case HTTP ->
          connection.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(StandardCharsets.UTF_8));
      case SLOW -> {
        for (byte each : greeting) {
          connection.write(new byte[] {each});
          pause(3);
        }
      }
      case ONLY_GREETS -> greet(secret);
      case WRONG_PROOF -> {
        greet(null);
        connection.write(new byte[5 + RendezvousKeys.MAC_BYTES]);
        connection.write(new byte[] {RendezvousProtocol.PROOF, 0, 0, 0, 0});
      }
      case LONG_PROOF -> {
        greet(null);
        connection.write(new byte[] {RendezvousProtocol.PROOF, 0x7f, -1, -1, -1});
      }
      case REPLAYS -> {
        greet(null);
        byte[] old = new byte[5 + RendezvousKeys.MAC_BYTES];
        random.nextBytes(old);
        old[0] = RendezvousProtocol.PROOF;
        ByteBuffer.wrap(old).putInt(1, 0);
        connection.write(old);
        answer();
      }
      case REFLECTS -> {
        greet(null);
        connection.write(answered);
      }
      case OTHER_SECRET -> prove("another");
      case NO_SECRET -> {
        greet(null);
        connection.send(RendezvousProtocol.PROOF, new byte[0]);
        if (secret != null) {
          answer();
        }
      }
      case OLD_AND_LYING -> lieAsVersionOne(size);
      case OTHER_VERSION -> {
        greeting[RendezvousProtocol.MAGIC] = 77;
        greet(null);
      }
      case RANK_99_OF_100 -> prove(null).who(99, 100).answer();
      case NO_RANK -> prove(null).who(random.nextBoolean() ? 0 : random.nextInt(), size).answer();
      case HALF_AN_ADDRESS -> prove(null).who(1, size).begin(60_000, 30_000);
      case LYING_ABOUT_LENGTH -> prove(null).who(1, size).begin(random.nextInt(), 100).answer();
      default -> throw new IllegalArgumentException(kind.toString());
    }
  }

  /** The bytes of a rank with version 1 of the protocol, without its message. */
  private void lieAsVersionOne(int size) throws IOException {
    connection.write(
        ByteBuffer.allocate(28)
            .put("LVXRDVZ1".getBytes(StandardCharsets.US_ASCII))
            .putLong(7)
            .putInt(1)
            .putInt(size)
            .putInt(1 << 20)
            .array());
  }

  static void pause(int millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    connection.close();
  }
}
