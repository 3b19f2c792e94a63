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
 * Starts this command again as several processes of this machine, the ranks of a group, with the
 * environment that torchrun would give them. Rank 0 speaks for all.
 */
final class LocalProcesses {
  /** Set in processes that end when their parent does. */
  private static final String CHILD = "LVX_CHILD";

  /** What the ranks prove to one another to know: other users of this machine cannot join. */
  private static final String SECRET = "LVX_SECRET";

  private LocalProcesses() {}

  /** Runs them; the exit code of the first that failed, or 0. */
  static int run(int ranks, List<String> arguments) throws IOException, InterruptedException {
    List<Process> processes = new ArrayList<>();
    Thread hook = new Thread(() -> processes.forEach(Process::destroyForcibly));
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
    Thread.ofVirtual().start(() -> passOn(rank, process));
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

  /** Which of this machine's processes this is, as launchers count them; 0 where none says. */
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

  /** This JVM's own command, as far as it matters. */
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

  /** In such a process: ends it as soon as its parent, who holds its standard input, is gone. */
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
                  // the parent says nothing
                }
              } catch (IOException e) {
                // gone as well
              }
              Runtime.getRuntime().halt(1);
            });
  }

  /** How many cores a device of this process should take, by what the launcher says. */
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
