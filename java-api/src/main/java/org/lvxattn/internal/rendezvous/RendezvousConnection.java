// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * One connection of a rendezvous: reads with an expiry, however slowly bytes arrive, and frames
 * with MACs. An interrupt ends a read with an exception and closes the connection.
 */
final class RendezvousConnection implements Closeable {
  private static final int PIECE = 4096;

  private final SocketChannel channel;
  private final Socket socket;
  private final InputStream in;
  private final OutputStream out;
  private @Nullable RendezvousKeys keys;
  private long expiry;

  /** A received frame. */
  static final class Frame {
    private final byte type;
    private final byte[] body;
    private final boolean authentic;

    private Frame(byte type, byte[] body, boolean authentic) {
      this.type = type;
      this.body = body;
      this.authentic = authentic;
    }

    byte type() {
      return type;
    }

    byte[] body() {
      return body;
    }

    boolean authentic() {
      return authentic;
    }
  }

  /** A frame whose length field exceeds the limit. */
  static final class TooLongException extends IOException {
    private static final long serialVersionUID = 1;

    private final int length;

    TooLongException(int length, int most) {
      super(
          "it sent a message of "
              + Integer.toUnsignedString(length)
              + " bytes; at most "
              + most
              + " were expected");
      this.length = length;
    }

    int length() {
      return length;
    }
  }

  RendezvousConnection(SocketChannel channel) throws IOException {
    this.channel = channel;
    this.socket = channel.socket();
    socket.setTcpNoDelay(true);
    socket.setKeepAlive(true);
    this.in = socket.getInputStream();
    this.out = socket.getOutputStream();
  }

  /** Sets the expiry of reads, by {@link System#nanoTime}. */
  void until(long time) {
    expiry = time;
  }

  void keys(RendezvousKeys agreed) {
    keys = agreed;
  }

  /** As {@link InputStream#read(byte[], int, int)}. */
  int read(byte[] bytes, int offset, int length) throws IOException {
    if (System.nanoTime() - expiry >= 0) {
      throw new SocketTimeoutException("it did not answer in time");
    }
    socket.setSoTimeout(millisUntil(expiry));
    return in.read(bytes, offset, length);
  }

  void readFully(byte[] bytes, int offset, int length) throws IOException {
    for (int done = 0; done < length; ) {
      int count = read(bytes, offset + done, length - done);
      if (count < 0) {
        throw new EOFException("the connection ended");
      }
      done += count;
    }
  }

  /** Address of the peer, for messages. */
  String peer() {
    return socket.getInetAddress() == null ? "?" : socket.getInetAddress().getHostAddress();
  }

  /**
   * Whether the socket is connected to itself: that can happen on a local port without a server.
   */
  boolean isToItself() {
    return socket.getLocalPort() == socket.getPort()
        && socket.getLocalAddress().equals(socket.getInetAddress());
  }

  void write(byte[] bytes) throws IOException {
    out.write(bytes);
    out.flush();
  }

  synchronized void send(byte type, byte[] body) throws IOException {
    byte[] mac = agreed().ofSent(type, body);
    write(
        ByteBuffer.allocate(5 + body.length + mac.length)
            .put(type)
            .putInt(body.length)
            .put(body)
            .put(mac)
            .array());
  }

  /** Sends a refusal, and lets the peer read it before the connection ends. */
  void refuse(byte reason, int rank, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int length = Math.min(bytes.length, RendezvousProtocol.REFUSAL_BYTES - 5);
    send(
        RendezvousProtocol.REFUSED,
        ByteBuffer.allocate(5 + length).put(reason).putInt(rank).put(bytes, 0, length).array());
  }

  /**
   * Shuts down output and drains input for a while: closing at once could reset the connection
   * before the peer has read everything.
   */
  void linger(int millis) throws IOException {
    shutdownOutput();
    until(System.nanoTime() + millis * 1_000_000L);
    byte[] rest = new byte[PIECE];
    for (int read = 0; read < 1 << 20; ) {
      int count = read(rest, 0, rest.length);
      if (count < 0) {
        return;
      }
      read += count;
    }
  }

  void shutdownOutput() throws IOException {
    socket.shutdownOutput();
  }

  /**
   * Receives the next frame.
   *
   * @param most limit of its length in bytes; memory grows only as bytes arrive, whatever its
   *     length field says
   * @param grown receives the number of bytes by which memory grows
   */
  Frame receive(int most, IntConsumer grown) throws IOException {
    DataInputStream head = new DataInputStream(new ByteArrayInputStream(exactly(5)));
    byte type = head.readByte();
    int length = head.readInt();
    if (length < 0 || length > most) {
      throw new TooLongException(length, most);
    }
    ByteArrayOutputStream body = new ByteArrayOutputStream(Math.min(length, PIECE));
    byte[] piece = new byte[PIECE];
    while (body.size() < length) {
      int count = read(piece, 0, Math.min(PIECE, length - body.size()));
      if (count < 0) {
        throw new EOFException("the connection ended within a message");
      }
      grown.accept(count);
      body.write(piece, 0, count);
    }
    byte[] bytes = body.toByteArray();
    byte[] mac = exactly(RendezvousKeys.MAC_BYTES);
    return new Frame(type, bytes, agreed().isAuthentic(type, bytes, mac));
  }

  private byte[] exactly(int length) throws IOException {
    byte[] bytes = new byte[length];
    readFully(bytes, 0, length);
    return bytes;
  }

  private RendezvousKeys agreed() {
    if (keys == null) {
      throw new IllegalStateException("a frame before the greetings");
    }
    return keys;
  }

  static int millisUntil(long time) {
    return Math.clamp((time - System.nanoTime()) / 1_000_000, 1, Integer.MAX_VALUE);
  }

  /** Closes the connection; a failure is ignored, since the connection is dropped anyway. */
  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      // see above
    }
  }
}
