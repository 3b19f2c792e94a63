// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.duel;

import java.io.IOException;
import org.lvxattn.bench.Quantiles;

/**
 * Two workers' times of one case, measured in alternation.
 *
 * @param first median seconds of a call of the first worker
 * @param second median seconds of a call of the second worker
 * @param lowRatio lower quartile of second / first over the rounds
 * @param highRatio upper quartile of the same
 * @param rates of the machine, measured in the same rounds
 */
record PairedTiming(double first, double second, double lowRatio, double highRatio, Rates rates) {
  /** Shortest duration of a round: shorter ones would measure the clock and the scheduler. */
  private static final double ROUND_SECONDS = 0.1;

  private static final int MAX_CALLS = 1000;

  /** Pause in which a worker's threads stop spinning before the other worker computes. */
  private static final long REST_MILLIS = 20;

  /**
   * The machine's rates with the same number of threads.
   *
   * @param gemmFlops float32 matrix product, operations per second
   * @param readBytes bytes read from memory per second
   */
  record Rates(double gemmFlops, double readBytes) {
    /** So large that larger products have the same rate. */
    private static final long GEMM_SIZE = 1536;

    /** Several times the size of a processor's last-level cache. */
    private static final long READ_BYTES = 512L << 20;
  }

  /** How many times faster the first is. */
  double ratio() {
    return second / first;
  }

  /** Runs the rounds: both workers run in each, and the one that begins alternates. */
  static PairedTiming measure(Case what, Worker one, Worker other, int rounds)
      throws IOException, InterruptedException {
    one.prepare(what);
    other.prepare(what);
    int calls = calls(one);
    int otherCalls = calls(other);
    double[] first = new double[rounds];
    double[] second = new double[rounds];
    double[] ratios = new double[rounds];
    double[] gemm = new double[rounds];
    double[] read = new double[rounds];
    for (int round = 0; round < rounds; round++) {
      Thread.sleep(REST_MILLIS);
      gemm[round] = one.gemmSeconds(Rates.GEMM_SIZE);
      read[round] = one.readSeconds(Rates.READ_BYTES);
      if (round % 2 == 0) {
        first[round] = run(one, calls);
        second[round] = run(other, otherCalls);
      } else {
        second[round] = run(other, otherCalls);
        first[round] = run(one, calls);
      }
      ratios[round] = second[round] / first[round];
    }
    double gemmFlops = 2.0 * Rates.GEMM_SIZE * Rates.GEMM_SIZE * Rates.GEMM_SIZE;
    return new PairedTiming(
        Quantiles.median(first),
        Quantiles.median(second),
        Quantiles.of(0.25, ratios),
        Quantiles.of(0.75, ratios),
        new Rates(gemmFlops / Quantiles.median(gemm), Rates.READ_BYTES / Quantiles.median(read)));
  }

  private static int calls(Worker worker) throws IOException {
    double seconds = worker.run(1);
    return (int) Math.clamp(Math.ceil(ROUND_SECONDS / seconds), 1, MAX_CALLS);
  }

  private static double run(Worker worker, int calls) throws IOException, InterruptedException {
    Thread.sleep(REST_MILLIS);
    return worker.run(calls);
  }
}
