// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** The TCP ports of a process: those on which it listens, and those of its connections. */
final class OpenPorts {
  private static final String LISTENING = "0A";

  private OpenPorts() {}

  /**
   * A TCP port of a process.
   *
   * @param listens whether the process listens on it
   */
  record Port(int rank, int number, boolean listens) {}

  /** The ports; empty if the process has ended. */
  static List<Port> of(int rank, long process) throws IOException {
    Path folder = Path.of("/proc", String.valueOf(process));
    Set<String> sockets = new HashSet<>();
    try (Stream<Path> descriptors = Files.list(folder.resolve("fd"))) {
      for (Path descriptor : descriptors.toList()) {
        try {
          sockets.add(Files.readSymbolicLink(descriptor).toString());
        } catch (IOException e) {
          // It was closed meanwhile.
        }
      }
    } catch (IOException e) {
      return List.of();
    }
    List<Port> ports = new ArrayList<>();
    for (String table : List.of("tcp", "tcp6")) {
      Path file = Path.of("/proc/net", table);
      if (!Files.exists(file)) {
        continue;
      }
      for (String line : Files.readAllLines(file)) {
        // sl, local address:port, remote address:port, state, queues, timer, retries, uid, timeout,
        // inode
        String[] words = line.trim().split("\\s+", -1);
        if (words.length > 9 && sockets.contains("socket:[" + words[9] + "]")) {
          String local = words[1];
          int number = Integer.parseInt(local.substring(local.lastIndexOf(':') + 1), 16);
          ports.add(new Port(rank, number, words[3].equals(LISTENING)));
        }
      }
    }
    return ports;
  }
}
