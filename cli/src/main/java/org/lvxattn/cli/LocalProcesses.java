// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;

/**
 * Restarts this command as several local processes, the ranks of a group, with the environment
 * variables of torchrun. Only rank 0 prints results.
 */
final class LocalProcesses {
  /** Set in child processes, which must end when their parent ends. */
  private static final String CHILD = "LVX_CHILD";

  /** The shared secret of the ranks, so that other users of this machine cannot join. */
  private static final String SECRET = "LVX_SECRET";

  private LocalProcesses() {}

  /** Runs the processes. Returns the exit code of the first that failed, or 0. */
  static int run(int ranks, List<String> arguments) throws IOException, InterruptedException {
    List<Process> processes = new ArrayList<>();
    Thread hook = new Thread(() -> processes.forEach(Process::destroyForcibly), "lvx-end-ranks");
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      int port = freePort();
      String secret = newSecret();
      for (int rank = 0; rank < ranks; rank++) {
        processes.add(start(rank, ranks, port, secret, arguments));
      }
      int code = 0;
      for (Process process : processes) {
        int ended = process.waitFor();
        code = code == 0 ? ended : code;
      }
      return code;
    } finally {
      processes.forEach(Process::destroyForcibly);
      Runtime.getRuntime().removeShutdownHook(hook);
    }
  }

  private static Process start(int rank, int ranks, int port, String secret, List<String> arguments)
      throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command(arguments));
    Map<String, String> environment = builder.environment();
    environment.put("RANK", String.valueOf(rank));
    environment.put("WORLD_SIZE", String.valueOf(ranks));
    environment.put("LOCAL_WORLD_SIZE", String.valueOf(ranks));
    environment.put("LOCAL_RANK", String.valueOf(rank));
    environment.put("MASTER_ADDR", InetAddress.getLoopbackAddress().getHostAddress());
    environment.put("MASTER_PORT", String.valueOf(port));
    environment.putIfAbsent(SECRET, secret);
    environment.put(CHILD, "1");
    if (rank == 0) {
      return builder
          .redirectOutput(ProcessBuilder.Redirect.INHERIT)
          .redirectError(ProcessBuilder.Redirect.INHERIT)
          .start();
    }
    Process process = builder.redirectErrorStream(true).start();
    Thread.ofVirtual().name("lvx-output-of-rank-" + rank).start(() -> passOn(rank, process));
    return process;
  }

  private static void passOn(int rank, Process process) {
    try (BufferedReader lines = process.inputReader()) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        System.err.println("rank " + rank + ": " + line);
      }
    } catch (IOException | UncheckedIOException e) {
      System.err.println("rank " + rank + ": its output cannot be read: " + e.getMessage());
    }
  }

  /** This process's local rank on this machine, from the launcher; 0 if it sets none. */
  static int localRank() {
    for (String name :
        List.of("LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID", "MPI_LOCALRANKID")) {
      String value = System.getenv(name);
      if (value != null) {
        try {
          return Integer.parseInt(value.trim());
        } catch (NumberFormatException e) {
          throw new UsageException(
              "environment variable " + name + " is '" + value + "', expected a number");
        }
      }
    }
    return 0;
  }

  /** The relevant part of this JVM's command line. */
  private static List<String> command(List<String> arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    System.getProperties()
        .forEach(
            (name, value) -> {
              if (name.toString().startsWith("org.lvxattn.")) {
                command.add("-D" + name + "=" + value);
              }
            });
    String module = Device.class.getModule().getName();
    if (module != null) {
      command.addAll(List.of("-p", System.getProperty("jdk.module.path"), "--add-modules", module));
    }
    command.add("--enable-native-access=" + (module == null ? "ALL-UNNAMED" : module));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    command.addAll(arguments);
    return command;
  }

  private static String newSecret() {
    byte[] secret = new byte[32];
    new SecureRandom().nextBytes(secret);
    return HexFormat.of().formatHex(secret);
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  /** In a child process: exits when the parent, which holds its standard input, has ended. */
  static void endWithParent() {
    if (System.getenv(CHILD) == null) {
      return;
    }
    Thread.ofPlatform()
        .daemon()
        .name("lvx-parent-watch")
        .start(
            () -> {
              try {
                while (System.in.read() >= 0) {
                  // the parent writes nothing
                }
              } catch (IOException e) {
                // the parent has ended, too
              }
              Runtime.getRuntime().halt(1);
            });
  }

  /** How many cores this process's device should use, from the launcher's variables. */
  static int share() {
    int processors = Runtime.getRuntime().availableProcessors();
    for (String name : List.of("LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE")) {
      @Nullable String local = System.getenv(name);
      if (local != null && local.matches("[1-9]\\d{0,6}")) {
        return Math.max(1, processors / Integer.parseInt(local));
      }
    }
    return processors;
  }
}
