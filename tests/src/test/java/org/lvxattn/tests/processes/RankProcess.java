// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** A child process and the lines that it prints; closing it kills the process. */
final class RankProcess implements AutoCloseable {
  private static final AtomicInteger NEXT_PORT = new AtomicInteger();

  private final Process process;
  private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
  private final List<String> seen = new ArrayList<>();
  private final Thread reader;

  RankProcess(ProcessBuilder builder) throws IOException {
    process = builder.redirectErrorStream(true).start();
    reader = Thread.ofPlatform().daemon().start(this::read);
  }

  /** The command of a JVM that runs {@link RankMain}. */
  static List<String> java(Duration timeout, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Xmx256m");
    command.add("-XX:TieredStopAtLevel=1");
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("-Dtimeout=" + timeout.toMillis());
    command.add("-cp");
    command.add(
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    command.add(RankMain.class.getName());
    command.addAll(List.of(arguments));
    return command;
  }

  /** One process for each rank, as a launcher like torchrun starts them. */
  static List<RankProcess> start(
      int size, int port, Map<String, String> variables, List<String> command) throws IOException {
    List<RankProcess> ranks = new ArrayList<>();
    for (int rank = 0; rank < size; rank++) {
      ProcessBuilder builder = new ProcessBuilder(command);
      builder.environment().putAll(variables);
      builder.environment().put("RANK", String.valueOf(rank));
      builder.environment().put("WORLD_SIZE", String.valueOf(size));
      builder.environment().put("MASTER_ADDR", "127.0.0.1");
      builder.environment().put("MASTER_PORT", String.valueOf(port));
      ranks.add(new RankProcess(builder));
    }
    return ranks;
  }

  /**
   * A free port below the ephemeral range: a connection could take an ephemeral port before it is
   * used here.
   */
  static int freePort() throws IOException {
    for (int tries = 0; tries < 100; tries++) {
      int port =
          20_000
              + (int)
                  ((ProcessHandle.current().pid() * 97L + NEXT_PORT.getAndIncrement()) % 12_000);
      try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
        return socket.getLocalPort();
      } catch (BindException taken) {
        // the next one, then
      }
    }
    throw new IOException("no free port among 100 from 20000 on");
  }

  private void read() {
    try (BufferedReader in = process.inputReader()) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        lines.add(line);
      }
    } catch (IOException e) {
      lines.add("reading its output failed: " + e);
    }
  }

  /** The next line that begins with a word. */
  String await(String word, Duration timeout) throws InterruptedException {
    long expiry = System.nanoTime() + timeout.toNanos();
    while (true) {
      String line = lines.poll(Math.max(0, expiry - System.nanoTime()), TimeUnit.NANOSECONDS);
      if (line == null) {
        throw new AssertionError(
            "no line '" + word + "' within " + timeout + ", but:\n" + String.join("\n", seen));
      }
      seen.add(line);
      if (line.startsWith(word)) {
        return line;
      }
    }
  }

  /** Waits until the given number of lines, earlier ones included, have begun with a word. */
  void await(String word, int count, Duration timeout) throws InterruptedException {
    while (seen.stream().filter(line -> line.startsWith(word)).count() < count) {
      await(word, timeout);
    }
  }

  /** The first line so far that begins with a word. */
  String first(String word) {
    return seen.stream().filter(line -> line.startsWith(word)).findFirst().orElseThrow();
  }

  /** Waits until the process ends by itself; returns all lines. */
  List<String> end(Duration timeout) throws InterruptedException {
    if (!process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
      lines.drainTo(seen);
      throw new AssertionError("still runs, and said:\n" + String.join("\n", seen));
    }
    reader.join();
    lines.drainTo(seen);
    return seen;
  }

  long pid() {
    return process.pid();
  }

  int exitValue() {
    return process.exitValue();
  }

  void signal(String name) throws IOException, InterruptedException {
    signal(process.pid(), name);
  }

  /**
   * Signals a launcher's child, which has printed its process id in a line {@code PID rank pid}.
   */
  void signalRank(int rank, String name) throws IOException, InterruptedException {
    String told =
        seen.stream()
            .filter(line -> line.startsWith("PID " + rank + " "))
            .findFirst()
            .orElseThrow();
    signal(Long.parseLong(told.substring(told.lastIndexOf(' ') + 1)), name);
  }

  private static void signal(long process, String name) throws IOException, InterruptedException {
    new ProcessBuilder("kill", "-" + name, String.valueOf(process))
        .redirectOutput(new File("/dev/null"))
        .start()
        .waitFor();
  }

  @Override
  public void close() {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }
}
