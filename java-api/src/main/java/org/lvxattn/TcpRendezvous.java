// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** The rendezvous as rank 0 and the others see it; {@link RendezvousServer} is rank 0's part. */
final class TcpRendezvous implements Rendezvous {
  /** What a rank may say at most. */
  static final int MAX_MESSAGE = 1 << 20;

  static final long MAGIC = 0x4c56585244565a31L; // LVXRDVZ1
  static final byte REFUSED = 1;
  static final byte GATHERED = 0;

  /** The server, who knows which rank is missing, ends first and says so. */
  private static final Duration PATIENCE_WITH_SERVER = Duration.ofSeconds(1);

  private static final long RETRY_MILLIS = 50;
  private static final int CONNECT_MILLIS = 2000;

  private final String host;
  private final int port;

  TcpRendezvous(String host, int port) {
    this.host = Arguments.present(host, "host");
    Arguments.require(port >= 1 && port <= 65535, "port is " + port + "; 1 to 65535 was expected");
    this.port = port;
  }

  @Override
  public List<byte[]> allGather(int rank, int size, byte[] mine, Duration timeout) {
    Arguments.require(
        rank >= 0 && rank < size, "rank is " + rank + "; 0 to " + (size - 1) + " was expected");
    Arguments.require(
        mine.length <= MAX_MESSAGE,
        "mine has " + mine.length + " bytes; at most " + MAX_MESSAGE + " were expected");
    long deadline = System.nanoTime() + timeout.toNanos();
    if (rank == 0) {
      return new RendezvousServer(port, size, mine).gather(deadline);
    }
    // Tells a process that tries again from a second one that believes to be the same rank.
    long identity = new SecureRandom().nextLong();
    deadline += PATIENCE_WITH_SERVER.toNanos();
    while (true) {
      try {
        return exchange(rank, size, mine, identity, deadline);
      } catch (IOException e) {
        // Rank 0 may not be there yet, or still close an earlier rendezvous.
        if (System.nanoTime() - deadline >= 0) {
          throw new DeadlineExceededException(
              "rank 0 did not hold the rendezvous at " + host + ":" + port + " in time (" + e + ")",
              0,
              0,
              "rendezvous");
        }
        pause();
      }
    }
  }

  private List<byte[]> exchange(int rank, int size, byte[] mine, long identity, long deadline)
      throws IOException {
    try (Socket socket = new Socket()) {
      socket.connect(
          new InetSocketAddress(host, port), Math.min(CONNECT_MILLIS, millisUntil(deadline)));
      socket.setSoTimeout(millisUntil(deadline));
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      out.writeLong(MAGIC);
      out.writeLong(identity);
      out.writeInt(rank);
      out.writeInt(size);
      write(out, mine);
      DataInputStream in = new DataInputStream(socket.getInputStream());
      if (in.readByte() == REFUSED) {
        int culprit = in.readInt();
        throw new DeadlineExceededException(in.readUTF(), culprit, 0, "rendezvous");
      }
      List<byte[]> all = new ArrayList<>();
      for (int i = 0; i < size; i++) {
        all.add(read(in));
      }
      return all;
    }
  }

  static int millisUntil(long deadline) {
    long millis = (deadline - System.nanoTime()) / 1_000_000;
    return Math.clamp(millis, 1, Integer.MAX_VALUE);
  }

  static void write(DataOutputStream out, byte[] message) throws IOException {
    out.writeInt(message.length);
    out.write(message);
    out.flush();
  }

  static byte[] read(DataInputStream in) throws IOException {
    int length = in.readInt();
    if (length < 0 || length > MAX_MESSAGE) {
      throw new IOException("a message of " + length + " bytes, expected 0 to " + MAX_MESSAGE);
    }
    byte[] message = new byte[length];
    in.readFully(message);
    return message;
  }

  private static void pause() {
    try {
      Thread.sleep(RETRY_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for the other ranks", e);
    }
  }

  @Override
  public String toString() {
    return "Rendezvous[" + host + ":" + port + "]";
  }
}
