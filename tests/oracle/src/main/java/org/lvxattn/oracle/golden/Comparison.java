// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.Map;
import org.lvxattn.Strategy;

/** Computes a golden case in one dtype and compares it with the file. */
interface Comparison {
  /** Errors by tensor; only the rank that compares results asks for them. */
  interface Judgement {
    Map<String, Double> errors();

    /** SHA-256 of every computed tensor, by way of computation and name. */
    Map<String, String> digests();
  }

  /**
   * Runs the whole computation, equally on every rank, before any comparison: what ranks exchange
   * must not depend on results.
   */
  Judgement compute(Strategy strategy, Ranks ranks);

  /** The largest error that a tensor may have. */
  double bound(String tensor);
}
