// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.GroupException;
import org.lvxattn.internal.handle.Handles;

/** The threads of {@link LocalWorld#run}: one for each rank, from join to close. */
final class RankThreads<R extends @Nullable Object> {
  private final LocalWorld world;
  private final IntFunction<Device> devices;
  private final RankTask<R> task;
  private final List<@Nullable R> results;

  /** Failures in the order in which they happened. */
  private final List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());

  RankThreads(LocalWorld world, IntFunction<Device> devices, RankTask<R> task) {
    this.world = world;
    this.devices = devices;
    this.task = task;
    this.results = new ArrayList<>(Collections.nCopies(world.size(), null));
  }

  List<R> run() {
    List<Thread> threads = new ArrayList<>();
    List<Group> groups = new ArrayList<>();
    try {
      // All ranks join before any runs, so that none waits for a rank that failed to join.
      for (int rank = 0; rank < world.size(); rank++) {
        Device device = devices.apply(rank);
        try {
          groups.add(world.join(rank, device));
        } catch (RuntimeException | Error e) {
          device.close();
          throw e;
        }
      }
    } catch (RuntimeException | Error e) {
      for (Group group : groups) {
        leave(group);
      }
      throw e;
    }
    for (Group group : groups) {
      Thread thread =
          Thread.ofPlatform().name("lvxattn-rank-" + group.rank()).unstarted(() -> work(group));
      group.device().handOver(thread);
      threads.add(thread);
    }
    threads.forEach(Thread::start);
    awaitAll(threads);
    if (!failures.isEmpty()) {
      throw rootCause();
    }
    return Collections.unmodifiableList(results);
  }

  private void work(Group group) {
    try {
      R result = task.run(group);
      synchronized (results) {
        results.set(group.rank(), result);
      }
    } catch (Throwable e) {
      failures.add(e);
    } finally {
      try {
        leave(group);
      } catch (RuntimeException e) {
        failures.add(e);
      }
    }
  }

  /** Closes group and device; the task may have closed them already. */
  private static void leave(Group group) {
    Device device = group.device();
    if (group.isOpen()) {
      group.close();
    }
    if (Handles.isOpen(device)) {
      device.close();
    }
  }

  /**
   * Waits for all threads. An interrupt is passed on to all of them, because ranks wait for each
   * other: none may be left running.
   */
  private static void awaitAll(List<Thread> threads) {
    boolean interrupted = false;
    for (Thread thread : threads) {
      while (true) {
        try {
          thread.join();
          break;
        } catch (InterruptedException e) {
          interrupted = true;
          threads.forEach(Thread::interrupt);
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private RuntimeException rootCause() {
    Throwable first =
        failures.stream()
            .filter(failure -> !(failure instanceof GroupException))
            .findFirst()
            .orElse(failures.getFirst());
    // Ranks may have thrown the same exception object, which cannot suppress itself.
    failures.removeIf(first::equals);
    failures.forEach(first::addSuppressed);
    if (first instanceof Error error) {
      throw error;
    }
    if (first instanceof RuntimeException exception) {
      return exception;
    }
    // Kotlin and Scala throw checked exceptions without a declaration.
    return new IllegalStateException("a rank failed: " + first, first);
  }
}
