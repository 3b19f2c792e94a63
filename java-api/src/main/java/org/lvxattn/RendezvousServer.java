// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Rank 0's part of {@link TcpRendezvous}: serves one gathering. */
final class RendezvousServer {
  /** How long somebody who has connected may take to say who he is. */
  private static final int HELLO_MILLIS = 5000;

  private static final int ACCEPT_MILLIS = 200;

  private final int port;
  private final @Nullable Guest[] guests;

  /** Why nobody gets anything, once that is so. */
  private @Nullable String refusal;

  private int culprit = -1;

  /** A rank that has come; rank 0 itself has no socket. */
  private static final class Guest {
    final long identity;
    final byte[] message;
    final @Nullable Socket socket;

    Guest(long identity, byte[] message, @Nullable Socket socket) {
      this.identity = identity;
      this.message = message;
      this.socket = socket;
    }
  }

  RendezvousServer(int port, int size, byte[] mine) {
    this.port = port;
    this.guests = new Guest[size];
    guests[0] = new Guest(0, mine, null);
  }

  List<byte[]> gather(long deadline) {
    try (ServerSocket server = new ServerSocket()) {
      server.setReuseAddress(true);
      server.bind(new InetSocketAddress(port), guests.length);
      server.setSoTimeout(ACCEPT_MILLIS);
      while (!complete() && System.nanoTime() - deadline < 0) {
        accept(server);
      }
    } catch (IOException e) {
      refuse("rank 0 cannot serve the rendezvous on port " + port + ": " + e.getMessage(), 0);
    }
    if (!complete()) {
      List<Integer> missing = missing();
      refuse(
          (missing.size() == 1 ? "rank " : "ranks ")
              + missing.stream().map(String::valueOf).collect(Collectors.joining(", "))
              + " did not come to the rendezvous on port "
              + port
              + " within the deadline",
          missing.getFirst());
    }
    answerAll(deadline);
    return result();
  }

  private void accept(ServerSocket server) throws IOException {
    Socket socket;
    try {
      socket = server.accept();
    } catch (SocketTimeoutException e) {
      return; // time to look at the clock
    }
    Thread.ofVirtual().start(() -> welcome(socket));
  }

  /** Strangers and broken connections are dropped: a rank tries again. */
  private void welcome(Socket socket) {
    try {
      socket.setSoTimeout(HELLO_MILLIS);
      DataInputStream in = new DataInputStream(socket.getInputStream());
      if (in.readLong() != TcpRendezvous.MAGIC) {
        socket.close();
        return;
      }
      long identity = in.readLong();
      int rank = in.readInt();
      int size = in.readInt();
      admit(rank, size, new Guest(identity, TcpRendezvous.read(in), socket));
    } catch (IOException e) {
      closeQuietly(socket);
    }
  }

  private synchronized void admit(int rank, int size, Guest guest) {
    if (size != guests.length || rank < 1 || rank >= size) {
      refuse(
          "a process says it is rank "
              + rank
              + " of "
              + size
              + "; rank 0 expects ranks 1 to "
              + (guests.length - 1),
          rank);
      answer(guest);
      return;
    }
    Guest before = guests[rank];
    if (before != null && before.identity != guest.identity) {
      refuse("two processes say they are rank " + rank, rank);
      answer(guest);
      return;
    }
    if (before != null && before.socket != null) {
      closeQuietly(before.socket);
    }
    guests[rank] = guest;
  }

  private synchronized boolean complete() {
    return refusal != null || missing().isEmpty();
  }

  private synchronized List<Integer> missing() {
    return IntStream.range(0, guests.length).filter(i -> guests[i] == null).boxed().toList();
  }

  private synchronized void refuse(String reason, int rank) {
    if (refusal == null) {
      refusal = reason;
      culprit = rank;
    }
  }

  private synchronized List<byte[]> result() {
    if (refusal != null) {
      throw new DeadlineExceededException(refusal, culprit, 0, "rendezvous");
    }
    return Arrays.stream(guests).map(guest -> guest.message).toList();
  }

  /** Each by a thread of its own, so that one that does not listen holds up nobody. */
  private void answerAll(long deadline) {
    List<Guest> present;
    synchronized (this) {
      present = Arrays.stream(guests).filter(guest -> guest != null).toList();
    }
    List<Thread> threads = new ArrayList<>();
    for (Guest guest : present) {
      threads.add(Thread.ofVirtual().start(() -> answer(guest)));
    }
    for (Thread thread : threads) {
      try {
        thread.join(Math.max(1000, TcpRendezvous.millisUntil(deadline)));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
    for (Guest guest : present) {
      if (guest.socket != null) {
        closeQuietly(guest.socket);
      }
    }
  }

  private void answer(Guest guest) {
    if (guest.socket == null) {
      return;
    }
    try (Socket socket = guest.socket) {
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      String reason;
      int rank;
      synchronized (this) {
        reason = refusal;
        rank = culprit;
      }
      if (reason != null) {
        out.writeByte(TcpRendezvous.REFUSED);
        out.writeInt(rank);
        out.writeUTF(reason);
        out.flush();
        return;
      }
      out.writeByte(TcpRendezvous.GATHERED);
      for (Guest each : guests) {
        TcpRendezvous.write(out, each.message);
      }
    } catch (IOException e) {
      // It tries again, finds nobody, and says so at its own deadline.
      closeQuietly(guest.socket);
    }
  }

  private static void closeQuietly(@Nullable Socket socket) {
    try {
      if (socket != null) {
        socket.close();
      }
    } catch (IOException e) {
      // Nothing is lost: it was to be dropped.
    }
  }
}
