// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.scaling;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.lvxattn.CrossAttention;
import org.lvxattn.Pass;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.bench.RankTensors;
import org.lvxattn.group.Calibration;
import org.lvxattn.group.Group;
import org.lvxattn.plan.Machine;

/**
 * Forward plus backward by several strategies on one group, in alternation. The kernels' rates are
 * measured before and after each, since a machine's speed changes within a minute. Times are by the
 * group's clock, and the same on every rank.
 *
 * @param machine mean of all rates
 * @param timings by strategy
 */
record Measurement(Machine machine, Map<Strategy, Timing> timings) {
  /**
   * The times of one strategy.
   *
   * @param machine mean of the rates before and after it
   * @param rounds times of each round
   */
  record Timing(Machine machine, List<Round> rounds) {
    double[] all(ToDoubleFunction<Round> what) {
      return rounds.stream().mapToDouble(what).toArray();
    }
  }

  /**
   * Forward plus backward, once.
   *
   * @param seconds duration on the slowest rank
   * @param computeSeconds the longest time that a rank computes
   * @param exposedSeconds the longest time that a rank waits
   */
  record Round(double seconds, double computeSeconds, double exposedSeconds) {
    private static final Round NOTHING = new Round(0, 0, 0);

    Round plus(Statistics call) {
      return new Round(
          seconds + call.totalSeconds(),
          computeSeconds + call.computeSeconds(),
          exposedSeconds + call.exposedWaitSeconds());
    }

    private Round largest(Round other) {
      return new Round(
          Math.max(seconds, other.seconds),
          Math.max(computeSeconds, other.computeSeconds),
          Math.max(exposedSeconds, other.exposedSeconds));
    }

    /** The maximum of each number over the ranks. Measures. Collective. */
    Round ofAll(Group group) {
      byte[] mine =
          ByteBuffer.allocate(3 * Double.BYTES)
              .putDouble(seconds)
              .putDouble(computeSeconds)
              .putDouble(exposedSeconds)
              .array();
      return group.allGather(mine).stream()
          .map(ByteBuffer::wrap)
          .map(rank -> new Round(rank.getDouble(), rank.getDouble(), rank.getDouble()))
          .reduce(NOTHING, Round::largest);
    }
  }

  /** Largest number of keys to measure rates with; larger blocks have the same rate. */
  private static final long RATE_KEYS = 8192;

  /**
   * Measures a point of a sweep. Collective.
   *
   * @param warmUps number of rounds that are not counted
   * @param counted number of rounds that are counted
   */
  static Measurement of(
      Group group, Point point, List<Strategy> strategies, int warmUps, int counted) {
    Map<Strategy, List<Machine>> rates = new EnumMap<>(Strategy.class);
    Map<Strategy, List<Round>> rounds = new EnumMap<>(Strategy.class);
    Statistics statistics = Statistics.create();
    try (RankTensors tensors =
        new RankTensors(group, point.shard(group.rank()), point.dtype(), true)) {
      for (int round = -warmUps; round < counted; round++) {
        Machine before = rates(group, point);
        for (Strategy strategy : strategies) {
          CrossAttention attention = RankTensors.attention(point.sizes(), strategy);
          group.barrier();
          tensors.forward(attention, statistics);
          Round mine = Round.NOTHING.plus(statistics);
          group.barrier();
          tensors.backward(attention, statistics);
          Round largest = mine.plus(statistics).ofAll(group);
          Machine after = rates(group, point);
          if (round >= 0) {
            rounds.computeIfAbsent(strategy, s -> new ArrayList<>()).add(largest);
            rates.computeIfAbsent(strategy, s -> new ArrayList<>()).addAll(List.of(before, after));
          }
          before = after;
        }
      }
    }
    Map<Strategy, Timing> timings = new EnumMap<>(Strategy.class);
    rounds.forEach(
        (strategy, all) ->
            timings.put(strategy, new Timing(mean(rates.getOrDefault(strategy, List.of())), all)));
    return new Measurement(mean(rates.values().stream().flatMap(List::stream).toList()), timings);
  }

  /** Rates of the kernels on one rank's block. Measures. Collective. */
  static Machine rates(Group group, Point point) {
    long queries = point.shard(0).queries();
    long keys = Math.min(point.shard(0).keys(), RATE_KEYS);
    return Calibration.machine(group, point.attentionSizes(), queries, keys);
  }

  /** Operations per second over forward and backward together. */
  static double rate(Machine machine, Point point) {
    double forward = point.attentionSizes().flops(1, Pass.FORWARD);
    double backward = point.attentionSizes().flops(1, Pass.BACKWARD);
    return (forward + backward)
        / (forward / machine.forwardFlopsPerSecond() + backward / machine.backwardFlopsPerSecond());
  }

  private static Machine mean(List<Machine> machines) {
    return new Machine(
        mean(machines, Machine::forwardFlopsPerSecond),
        mean(machines, Machine::backwardFlopsPerSecond),
        mean(machines, Machine::memoryBytesPerSecond));
  }

  /** The harmonic mean of the rates, since times add up. */
  private static double mean(List<Machine> machines, ToDoubleFunction<Machine> rate) {
    return machines.size()
        / machines.stream().mapToDouble(machine -> 1 / rate.applyAsDouble(machine)).sum();
  }
}
