// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.jmh;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.Function;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Group;
import org.lvxattn.LocalWorld;
import org.lvxattn.Statistics;
import org.lvxattn.bench.RankTensors;
import org.lvxattn.bench.Sizes;

/** The ranks of a local group, each on a thread that stays, so that a call can be repeated. */
final class RankCrew implements AutoCloseable {
  /** What one rank works with, on its own thread. */
  record Rank(Device device, Group group, RankTensors tensors, Statistics statistics) {}

  private final LocalWorld world;
  private final List<ExecutorService> threads = new ArrayList<>();
  private final List<Rank> ranks;

  RankCrew(int size, Sizes shard, DType dtype) {
    world = LocalWorld.of(size);
    int share = Math.max(1, Runtime.getRuntime().availableProcessors() / size);
    for (int rank = 0; rank < size; rank++) {
      threads.add(Executors.newSingleThreadExecutor());
    }
    ranks = each(rank -> open(rank, share, shard, dtype));
  }

  private Rank open(int number, int threadsOfRank, Sizes shard, DType dtype) {
    Device device = Device.cpu(CpuOptions.defaults().withThreads(threadsOfRank));
    Group group = world.join(number, device);
    return new Rank(device, group, new RankTensors(group, shard, dtype, true), Statistics.create());
  }

  /** Lets every rank do something at once, and waits for all. */
  void all(Consumer<Rank> task) {
    each(
        number -> {
          task.accept(ranks.get(number));
          return number;
        });
  }

  private <T> List<T> each(Function<Integer, T> task) {
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
        throw new IllegalStateException("a rank failed", e.getCause());
      }
    }
    return results;
  }

  @Override
  public void close() {
    all(
        rank -> {
          rank.tensors().close();
          rank.group().close();
          rank.device().close();
        });
    threads.forEach(ExecutorService::shutdown);
    world.close();
  }
}
