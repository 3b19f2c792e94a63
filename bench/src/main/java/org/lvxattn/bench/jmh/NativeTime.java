// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.jmh;

import java.util.Collection;
import java.util.List;
import org.lvxattn.Statistics;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/**
 * Reports the time that the native calls themselves measure, beside a benchmark's time. The
 * difference is the overhead of calling from Java. For single-threaded benchmarks that {@link #add}
 * their calls. Enable it with {@code -prof} and its class name.
 */
public final class NativeTime implements InternalProfiler {
  private static final double NANOS_PER_SECOND = 1e9;

  // The benchmark's thread writes these; the harness reads them between iterations.
  private static long calls;
  private static double seconds;

  /** Counts one call. */
  static void add(Statistics statistics) {
    calls++;
    seconds += statistics.totalSeconds();
  }

  private static void reset() {
    calls = 0;
    seconds = 0;
  }

  @Override
  public String getDescription() {
    return "Time per call that the native library counts";
  }

  @Override
  public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
    reset();
  }

  @Override
  public Collection<? extends Result<?>> afterIteration(
      BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
    if (calls == 0) {
      return List.of();
    }
    return List.of(
        new ScalarResult(
            "native.time", seconds / calls * NANOS_PER_SECOND, "ns/op", AggregationPolicy.AVG));
  }
}
