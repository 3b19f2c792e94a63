// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.lvxattn.launch.Rendezvous;

/** Ranks of one rendezvous on this machine, each on its own thread. */
public record Gathering(int port, int size, @Nullable String secret, Duration timeout) {
  static Gathering of(int size, @Nullable String secret) throws IOException {
    return new Gathering(freePort(), size, secret, Duration.ofSeconds(30));
  }

  static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  /** Starts a valid rank. */
  FutureTask<List<String>> come(int rank) {
    return come(rank, size, secret);
  }

  FutureTask<List<String>> come(int rank, int size, @Nullable String secret) {
    FutureTask<List<String>> task =
        new FutureTask<>(
            () -> {
              Rendezvous rendezvous =
                  secret == null
                      ? Rendezvous.tcp("127.0.0.1", port)
                      : Rendezvous.tcp("127.0.0.1", port, secret);
              byte[] mine = ("rank " + rank).getBytes(StandardCharsets.UTF_8);
              return rendezvous.allGather(rank, size, mine, timeout).stream()
                  .map(said -> new String(said, StandardCharsets.UTF_8))
                  .toList();
            });
    Thread.ofPlatform().daemon().start(task);
    return task;
  }

  /** Starts all ranks from the given one on. */
  List<FutureTask<List<String>>> comeFrom(int first) {
    List<FutureTask<List<String>>> ranks = new ArrayList<>();
    for (int rank = first; rank < size; rank++) {
      ranks.add(come(rank));
    }
    return ranks;
  }

  List<String> expected() {
    List<String> said = new ArrayList<>();
    for (int rank = 0; rank < size; rank++) {
      said.add("rank " + rank);
    }
    return said;
  }

  /** Returns when rank 0 listens; closes its connection at once, as a port probe does. */
  void awaitPort() throws InterruptedException {
    for (int i = 0; i < 1000; i++) {
      try {
        new Socket(InetAddress.getLoopbackAddress(), port).close();
        return;
      } catch (IOException e) {
        Thread.sleep(10);
      }
    }
    throw new AssertionError("nobody serves port " + port);
  }

  static <T> T get(FutureTask<T> rank) throws Exception {
    return rank.get(50, TimeUnit.SECONDS);
  }

  /** The exception of a failed rank. */
  public static Throwable failureOf(FutureTask<?> task) throws Exception {
    try {
      Object result = task.get(50, TimeUnit.SECONDS);
      throw new AssertionError("the rendezvous took place: " + result);
    } catch (ExecutionException e) {
      return Objects.requireNonNull(e.getCause());
    }
  }
}
