// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;

/** Attacks all ports of some processes continuously. */
final class HostileClient implements AutoCloseable {
  /** The kinds of attack. */
  enum Attack {
    SAYS_NOTHING,
    GARBAGE,
    HALF_A_GREETING,
    HUGE_LENGTH,
    HTTP,
    TLS,
    WRONG_PROOF,
    REPLAY,
    RESETS,
    CLOSES_ITS_SIDE,
    DRIPS,
    CROWD
  }

  private static final int ATTACKERS = 6;
  private static final int CROWD_SIZE = 300;
  private static final int HELD = 200;
  private static final int CONNECT_MILLIS = 500;
  private static final int SCAN_MILLIS = 200;
  private static final byte[] RENDEZVOUS = bytes("LVXRDVR\2");
  private static final byte[] HELLO = bytes("lvx-tcp1");
  private static final byte[] PROOF = bytes("lvx-prv1");

  private final Supplier<List<OpenPorts.Port>> scan;
  private final int size;
  private final List<Thread> threads = new ArrayList<>();
  private final Map<Attack, LongAdder> done = new ConcurrentHashMap<>();
  private final Map<Integer, LongAdder> reached = new ConcurrentHashMap<>();
  private final LongAdder refused = new LongAdder();
  private final List<byte[]> recorded = new CopyOnWriteArrayList<>();
  private volatile List<OpenPorts.Port> ports;
  private volatile boolean stop;

  /**
   * Starts the attacks.
   *
   * @param scan lists the current ports
   * @param size of the group
   */
  HostileClient(Supplier<List<OpenPorts.Port>> scan, int size, List<byte[]> recorded, long seed) {
    this.scan = scan;
    this.size = size;
    this.recorded.addAll(recorded);
    this.ports = scan.get();
    for (Attack attack : Attack.values()) {
      done.put(attack, new LongAdder());
    }
    threads.add(Thread.ofVirtual().start(this::keepScanning));
    for (int i = 0; i < ATTACKERS; i++) {
      Random random = new Random(seed + i);
      threads.add(Thread.ofVirtual().start(() -> attack(random)));
    }
  }

  /** Adds the bytes of a rank, from its greeting on, to those that are replayed. */
  void replayToo(byte[] said) {
    recorded.add(said);
  }

  /** How often an attack reached a listening port. */
  long done(Attack attack) {
    return done.getOrDefault(attack, new LongAdder()).sum();
  }

  /** How often it connected to a listening port of a rank. */
  long reached(int rank) {
    return reached.getOrDefault(rank, new LongAdder()).sum();
  }

  /** How often a connection was refused, as at the ports of connections. */
  long refused() {
    return refused.sum();
  }

  private void keepScanning() {
    while (!stop) {
      ports = scan.get();
      pause(SCAN_MILLIS);
    }
  }

  private void attack(Random random) {
    Attack[] attacks = Attack.values();
    Deque<Socket> held = new ArrayDeque<>(); // connections that send nothing, or too little
    while (!stop) {
      List<OpenPorts.Port> now = ports;
      // Most ports belong to connections and refuse others, so half of the time is for listening
      // ports.
      List<OpenPorts.Port> listening = now.stream().filter(OpenPorts.Port::listens).toList();
      List<OpenPorts.Port> among = listening.isEmpty() || random.nextBoolean() ? now : listening;
      if (!among.isEmpty()) {
        OpenPorts.Port port = among.get(random.nextInt(among.size()));
        Attack attack = attacks[random.nextInt(attacks.length)];
        int times = attack == Attack.CROWD ? CROWD_SIZE : 1;
        for (int i = 0; i < times && !stop; i++) {
          if (!act(port, attack, random, held)) {
            break;
          }
        }
        if (attack == Attack.CROWD) {
          pause(500);
        }
      }
      pause(random.nextInt(10, 80));
    }
    held.forEach(HostileClient::closeQuietly);
  }

  /** Attacks a port; returns whether it was listening. */
  private boolean act(OpenPorts.Port port, Attack attack, Random random, Deque<Socket> held) {
    Socket socket = new Socket();
    try {
      socket.connect(
          new InetSocketAddress(InetAddress.getLoopbackAddress(), port.number()), CONNECT_MILLIS);
    } catch (IOException e) {
      closeQuietly(socket);
      refused.increment();
      return false;
    }
    reached.computeIfAbsent(port.rank(), rank -> new LongAdder()).increment();
    done.computeIfAbsent(attack, kind -> new LongAdder()).increment();
    try {
      socket.setSoTimeout(300);
      perform(attack, socket, random);
    } catch (IOException e) {
      // It was dropped.
    }
    held.add(socket);
    if (held.size() > HELD || random.nextInt(3) == 0) {
      closeQuietly(held.remove());
    }
    return true;
  }

  private void perform(Attack attack, Socket socket, Random random) throws IOException {
    OutputStream out = socket.getOutputStream();
    switch (attack) {
      case SAYS_NOTHING, CROWD -> {}
      case GARBAGE -> out.write(noise(random, random.nextInt(1, 5000)));
      case HALF_A_GREETING -> {
        byte[] whole = random.nextBoolean() ? hello(random) : greeting(random);
        out.write(whole, 0, random.nextInt(1, whole.length));
      }
      case HUGE_LENGTH -> {
        out.write(greeting(random));
        out.write(new byte[] {12, 0x7f, -1, -1, -1});
        out.write(noise(random, 2000));
      }
      case HTTP -> out.write(bytes("GET / HTTP/1.1\r\nHost: " + "x".repeat(300) + "\r\n\r\n"));
      case TLS -> {
        out.write(new byte[] {22, 3, 1, 2, 0, 1, 0, 1, -4, 3, 3});
        out.write(noise(random, 508));
      }
      case WRONG_PROOF -> {
        if (random.nextBoolean()) {
          out.write(hello(random));
          socket.getInputStream().readNBytes(40);
          out.write(PROOF);
          out.write(noise(random, 32));
        } else {
          out.write(greeting(random));
          socket.getInputStream().readNBytes(41);
          out.write(new byte[] {10, 0, 0, 0, 0});
          out.write(noise(random, 32));
        }
        socket.getInputStream().read();
      }
      case REPLAY -> replay(socket, recorded.get(random.nextInt(recorded.size())));
      case RESETS -> {
        out.write(hello(random), 0, random.nextInt(40));
        socket.setSoLinger(true, 0);
        socket.close();
      }
      case CLOSES_ITS_SIDE -> {
        out.write(hello(random));
        socket.shutdownOutput();
      }
      case DRIPS -> {
        byte[] whole = random.nextBoolean() ? hello(random) : greeting(random);
        for (int i = 0; i < whole.length && !stop; i++) {
          out.write(whole[i]);
          pause(20);
        }
      }
      default -> throw new IllegalArgumentException(attack.toString());
    }
  }

  /** Replays recorded bytes, with time for answers. */
  private static void replay(Socket socket, byte[] said) throws IOException {
    InputStream in = socket.getInputStream();
    OutputStream out = socket.getOutputStream();
    int first = said[0] == 'L' ? 44 : 64; // a greeting of the rendezvous, or of a rank
    out.write(said, 0, Math.min(first, said.length));
    in.readNBytes(first == 44 ? 41 : 40);
    out.write(said, Math.min(first, said.length), Math.max(0, said.length - first));
    in.read();
  }

  /** The greeting of a rank to the rendezvous. */
  private static byte[] greeting(Random random) {
    return ByteBuffer.allocate(44)
        .put(RENDEZVOUS)
        .put(noise(random, 32))
        .put(bytes("\r\n\r\n"))
        .array();
  }

  /** The greeting of a rank to another rank: its rank, the peer's, the size, and the connection. */
  private byte[] hello(Random random) {
    int to = random.nextInt(size - 1);
    int lane = random.nextInt(2);
    return ByteBuffer.allocate(56)
        .order(ByteOrder.nativeOrder())
        .put(HELLO)
        .put(noise(random, 32))
        .putInt(random.nextInt(to + 1, size))
        .putInt(to)
        .putInt(size)
        .putInt(lane)
        .array();
  }

  private static byte[] noise(Random random, int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  private static void pause(int millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void closeQuietly(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      // Ignored: the connection is closed in any case.
    }
  }

  @Override
  public String toString() {
    return "attacks " + done + ", ranks reached " + reached + ", refused " + refused;
  }

  @Override
  public void close() {
    stop = true;
    try {
      for (Thread thread : threads) {
        thread.join();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // the threads end by themselves soon
    }
  }
}
