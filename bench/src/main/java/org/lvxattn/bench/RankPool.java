// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.function.IntFunction;
import org.lvxattn.CpuOptions;
import org.lvxattn.Device;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LinkEmulation;
import org.lvxattn.group.LocalWorld;

/** The ranks of a local group, each on its own thread for repeated calls. */
public final class RankPool implements AutoCloseable {
  private final LocalWorld world;
  private final List<ExecutorService> threads = new ArrayList<>();
  private final List<Group> groups;

  /** Creates ranks whose devices have the given number of threads. */
  public RankPool(int size, int threadsPerRank, GroupOptions options, LinkEmulation emulation) {
    world = LocalWorld.of(size, options, emulation);
    for (int rank = 0; rank < size; rank++) {
      threads.add(Executors.newSingleThreadExecutor());
    }
    CpuOptions cpu = CpuOptions.builder().threads(threadsPerRank).build();
    groups = onThreads(rank -> world.join(rank, Device.cpu(cpu)));
  }

  /** Runs a task on every rank's thread at the same time, and waits for all. */
  public <T> List<T> each(Function<Group, T> task) {
    return onThreads(rank -> task.apply(groups.get(rank)));
  }

  private <T> List<T> onThreads(IntFunction<T> task) {
    List<Future<T>> running = new ArrayList<>();
    for (int rank = 0; rank < threads.size(); rank++) {
      int number = rank;
      running.add(threads.get(rank).submit(() -> task.apply(number)));
    }
    List<T> results = new ArrayList<>();
    for (Future<T> future : running) {
      try {
        results.add(future.get());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while ranks compute", e);
      } catch (ExecutionException e) {
        throw new IllegalStateException("a rank failed: " + e.getCause(), e.getCause());
      }
    }
    return results;
  }

  @Override
  public void close() {
    each(
        group -> {
          group.close();
          group.device().close();
          return group;
        });
    threads.forEach(ExecutorService::shutdown);
    world.close();
  }
}
