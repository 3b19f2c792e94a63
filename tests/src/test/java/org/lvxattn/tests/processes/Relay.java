// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A relay in front of a port. It keeps the first bytes of each connection, and may modify data. */
final class Relay implements Closeable {
  private static final int KEPT = 4096;

  private final ServerSocket listener;
  private final int port;
  private final Consumer<byte[]> change;
  private final List<Socket> sockets = new CopyOnWriteArrayList<>();
  private final List<ByteArrayOutputStream> said = new CopyOnWriteArrayList<>();

  /**
   * Creates a relay in front of a local port.
   *
   * @param change modifies the data of a connection, in pieces, before the relay forwards them
   */
  Relay(int port, Consumer<byte[]> change) throws IOException {
    this.listener = new ServerSocket(0, 16, InetAddress.getLoopbackAddress());
    this.port = port;
    this.change = change;
    Thread.ofPlatform().daemon().start(this::accept);
  }

  int port() {
    return listener.getLocalPort();
  }

  /** The first bytes of each connection. */
  List<byte[]> said() {
    return said.stream().map(ByteArrayOutputStream::toByteArray).toList();
  }

  private void accept() {
    try {
      while (true) {
        connect(listener.accept());
      }
    } catch (IOException e) {
      // It was closed.
    }
  }

  /** Retries, since the port may not be open yet. */
  private void connect(Socket from) throws IOException {
    Socket to;
    try {
      to = new Socket(InetAddress.getLoopbackAddress(), port);
    } catch (IOException e) {
      from.close();
      return;
    }
    from.setTcpNoDelay(true);
    to.setTcpNoDelay(true);
    sockets.addAll(List.of(from, to));
    ByteArrayOutputStream kept = new ByteArrayOutputStream();
    said.add(kept);
    Thread.ofPlatform().daemon().start(() -> carry(from, to, kept));
    Thread.ofPlatform().daemon().start(() -> carry(to, from, null));
  }

  private void carry(Socket from, Socket to, @Nullable ByteArrayOutputStream kept) {
    byte[] room = new byte[16384];
    try (from;
        to) {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      for (int count = in.read(room); count >= 0; count = in.read(room)) {
        byte[] piece = Arrays.copyOf(room, count);
        if (kept != null) {
          kept.write(piece, 0, Math.min(count, Math.max(0, KEPT - kept.size())));
          change.accept(piece);
        }
        out.write(piece);
      }
    } catch (IOException e) {
      // One side has disconnected: disconnect the other.
    }
  }

  @Override
  public void close() throws IOException {
    listener.close();
    for (Socket socket : sockets) {
      socket.close();
    }
  }
}
