// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.duel;

import java.io.IOException;
import org.lvxattn.bench.Quantiles;

/**
 * Two workers' times of one case, measured in turns.
 *
 * @param first median seconds of a call of the first worker
 * @param second likewise of the second
 * @param lowRatio quartile of second / first over the rounds
 * @param highRatio the upper quartile
 * @param rates of the machine, measured in the same rounds
 */
record Duel(double first, double second, double lowRatio, double highRatio, Rates rates) {
  /** A round shorter than this would measure the clock and the scheduler. */
  private static final double ROUND_SECONDS = 0.1;

  private static final int MAX_CALLS = 1000;

  /** For a worker's threads to fall asleep, lest they spin while the other computes. */
  private static final long REST_MILLIS = 20;

  /**
   * What the machine can do on the same threads.
   *
   * @param gemmFlops float32 matrix product, operations per second
   * @param readBytes bytes read from memory per second
   */
  record Rates(double gemmFlops, double readBytes) {
    /** Large enough for the rate to be that of longer products. */
    private static final long GEMM_SIZE = 1536;

    /** Several times what the last cache of a processor holds. */
    private static final long READ_BYTES = 512L << 20;
  }

  /** How many times faster the first is. */
  double ratio() {
    return second / first;
  }

  /** Both workers have rounds of their own, and the one that begins changes with each. */
  static Duel fight(Case what, Worker one, Worker other, int rounds)
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
    return new Duel(
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
