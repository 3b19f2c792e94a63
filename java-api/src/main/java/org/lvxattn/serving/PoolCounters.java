// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.serving;

import java.util.concurrent.atomic.LongAdder;

/** Counts what a pool does, from many threads. */
final class PoolCounters {
  final LongAdder submitted = new LongAdder();
  final LongAdder rejected = new LongAdder();
  final LongAdder completed = new LongAdder();
  final LongAdder failed = new LongAdder();
  final LongAdder cancelled = new LongAdder();
  final LongAdder batches = new LongAdder();
  final LongAdder rows = new LongAdder();
  final LongAdder waitNanos = new LongAdder();
  final LongAdder computeNanos = new LongAdder();

  PoolStatistics read(int queued) {
    return new PoolStatistics(
        submitted.sum(),
        rejected.sum(),
        completed.sum(),
        failed.sum(),
        cancelled.sum(),
        queued,
        batches.sum(),
        rows.sum(),
        1e-9 * (double) waitNanos.sum(),
        1e-9 * (double) computeNanos.sum());
  }
}
